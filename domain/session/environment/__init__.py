"""Who drives a session, and with what: attachment, runtime, sandbox, persona."""
