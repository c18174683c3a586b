"""The life of sessions, and what belongs to them between turns."""
