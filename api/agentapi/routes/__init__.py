"""What the agentapi door answers, one file a topic."""
