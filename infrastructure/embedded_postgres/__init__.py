"""A Postgres that comes with the program: one private cluster per data directory.

A detached *keeper* process owns the server; the processes of cairn only hold a shared lock on
`users.lock`. Whatever is killed, the kernel releases the locks, so nothing is cleaned up by hand.
Start reading in `cluster.py` (what a process of cairn does), then `keeper.py` (what owns the
server).
"""

from infrastructure.embedded_postgres.cluster import EmbeddedPostgres
from infrastructure.embedded_postgres.layout import EmbeddedPostgresError
from infrastructure.embedded_postgres.server import PROGRAM_ROLE

__all__ = ["PROGRAM_ROLE", "EmbeddedPostgres", "EmbeddedPostgresError"]
