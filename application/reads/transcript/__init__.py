"""Transcripts: folded from the log, and kept."""
