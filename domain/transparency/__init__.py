"""The log as a transparency log: one Merkle tree (RFC 6962) over the digests of all events."""
