"""Who drives a session, and with what: attachment, sandbox, persona."""
