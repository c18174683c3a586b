"""What is derived from the log and kept beside it."""
