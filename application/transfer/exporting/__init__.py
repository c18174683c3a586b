"""Logs as files that go out."""
