"""Routes of sessions: their life, lists, state and relations."""
