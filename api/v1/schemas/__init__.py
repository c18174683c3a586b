"""The wire models: what bodies must be, and what answers look like in the OpenAPI document."""
