"""Seeing that something under way has come to a lock that a test holds."""

import time

import psycopg

_PATIENCE = 30.0
_WAITS = (
    "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
)


def until_somebody_waits(database_url: str) -> None:
    """Return once a connection to a database waits for a lock."""
    deadline = time.monotonic() + _PATIENCE
    with psycopg.connect(database_url, autocommit=True) as watcher:
        while not watcher.execute(_WAITS).fetchone():
            assert time.monotonic() < deadline, "nobody waits for a lock"
            time.sleep(0.01)
