"""Requests that this server sends: to receivers of webhooks, and to session managers."""
