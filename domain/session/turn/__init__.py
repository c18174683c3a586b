"""Turns: what starts and ends them, what an agent does in them, and the input that waits."""
