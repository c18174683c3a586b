"""Which version of Cairn this is: what it says of itself, and what a wheel is called by."""

VERSION = "0.1.0"
"""By Semantic Versioning."""
