"""What can be read, and how it is followed."""
