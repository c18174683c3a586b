"""Sessions of other systems, read from their files and databases: one folder a source.

Nothing that a source says is run, opened or fetched: no class that it names, no path, no address.
"""
