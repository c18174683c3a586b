"""Webhooks as they are kept, and what they need of the world."""
