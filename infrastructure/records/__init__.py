"""Between events, states and the bytes that are stored."""
