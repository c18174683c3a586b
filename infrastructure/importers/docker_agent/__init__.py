"""Sessions of docker-agent."""
