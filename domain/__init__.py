"""The rules of a session: pure functions over the standard library. Start in `session/events.py`."""
