"""`cairn token`."""
