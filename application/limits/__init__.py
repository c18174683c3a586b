"""How much each principal may ask for: requests, streams, sessions and bytes."""
