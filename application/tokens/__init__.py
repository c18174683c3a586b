"""Access tokens: made, taken away, and known to every process at once."""
