"""Connections to Postgres: what their errors mean, whether they are ready, who owns a job."""
