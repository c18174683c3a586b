"""The doors: HTTP routes and their wire models, and the `cairn` command."""
