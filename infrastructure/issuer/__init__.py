"""Tokens of an OpenID Connect issuer: its keys, and what its claims say."""
