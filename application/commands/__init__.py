"""How commands become events."""
