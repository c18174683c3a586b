"""Events as they come: the tail, the feed, replay and waiting."""
