"""Our log as the `eventsourcing` library sees it."""
