"""The log, and what is asked of the whole of it, in memory."""
