"""The routes of the ADK door, by topic."""
