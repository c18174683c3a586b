"""One aggregate: a session. The catalogue of `events`, the `state`, and a file of rules a topic."""
