"""The door for agentapi-proxy: its session manager, whose requests are signed."""
