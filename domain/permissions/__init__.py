"""Which tools a session may use, and what of that a child of it may have."""
