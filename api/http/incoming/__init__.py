"""What requests say: addresses, headers, queries and bodies, each refused by name."""
