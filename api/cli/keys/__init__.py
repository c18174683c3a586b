"""The commands that make keys: `cairn audit` and `cairn secrets`."""
