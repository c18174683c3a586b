"""Other sessions and agents: children, forks, peers."""
