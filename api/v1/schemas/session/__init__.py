"""Bodies and answers about sessions: their life, lists, state and relations."""
