"""The documents: OpenAPI, and the page that shows it."""
