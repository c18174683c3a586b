"""Events as evidence: their names and versions, one way to write them, the chain."""
