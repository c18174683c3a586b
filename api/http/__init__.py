"""The kit that every door uses."""
