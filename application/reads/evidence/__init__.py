"""The log as evidence: audit feed, verification and proofs."""
