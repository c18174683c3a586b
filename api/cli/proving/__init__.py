"""`cairn verify`."""
