"""Sessions that other servers keep for this one, or that this one keeps for them."""
