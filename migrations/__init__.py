"""The schema as numbered SQL files, applied by `infrastructure.postgres.connecting.migrations`."""
