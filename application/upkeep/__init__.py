"""What happens by itself: time-outs, leases, pruning."""
