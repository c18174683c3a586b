"""The shapes of docker-agent: bodies of requests, messages, sessions, and what drivers report."""
