"""The commands that mend: `cairn repair`, `recover` and `rebuild`."""
