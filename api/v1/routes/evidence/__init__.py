"""Routes of the log as evidence: proofs, the audit feed, verification."""
