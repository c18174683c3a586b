"""What is kept of a session beside its log: its row, kept states, leases, deadlines."""
