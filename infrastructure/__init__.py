"""The ports made real: the Postgres log and read models, the codec, the embedded database."""
