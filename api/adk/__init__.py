"""The ADK door: the sessions of google-adk, as its own server has them."""
