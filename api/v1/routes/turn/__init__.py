"""Routes of what happens in turns."""
