"""The log, and what is asked of the whole of it, on Postgres."""
