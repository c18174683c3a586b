"""Sessions of google-adk."""
