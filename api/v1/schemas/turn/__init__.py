"""Bodies and answers about what happens in turns."""
