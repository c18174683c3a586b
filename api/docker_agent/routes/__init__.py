"""The routes of the docker-agent door, by topic."""
