"""What several suites need: databases, stores, appends, and processes that write."""
