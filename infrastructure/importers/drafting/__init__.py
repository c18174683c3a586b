"""What was read becomes drafts of events."""
