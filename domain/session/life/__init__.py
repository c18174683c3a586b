"""How a session begins, runs out, stops, and is resumed, recovered and repaired."""
