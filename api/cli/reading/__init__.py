"""The commands that read: lists, one session, its tail."""
