"""Messages that are still being written: their pieces, numbered, until they are recorded."""
