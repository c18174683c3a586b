"""The schema, as numbered SQL files; `infrastructure.postgres.migrations` applies them."""
