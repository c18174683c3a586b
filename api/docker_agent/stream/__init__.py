"""The events of a session in the words of docker-agent, as a stream."""
