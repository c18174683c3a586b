"""The docker-agent door: what clients of docker-agent expect of its API server, over the log."""
