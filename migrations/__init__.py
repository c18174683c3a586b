"""The schema, as numbered SQL files; `infrastructure.migrations` applies them."""
