"""Sessions of AGH."""
