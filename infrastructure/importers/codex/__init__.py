"""Threads of Codex."""
