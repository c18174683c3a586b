"""The states of sessions in memory: how large they are, and which of them are kept."""
