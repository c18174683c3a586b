"""The rules of a session: pure functions, standard library only. Start in `session/events.py`."""
