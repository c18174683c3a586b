"""What is kept beside the log for sessions."""
