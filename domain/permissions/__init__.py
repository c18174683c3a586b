"""What tools a session may use, and which of it a child may have."""
