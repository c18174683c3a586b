"""The socket under a connection."""

import os
import socket
from contextlib import suppress

import psycopg
from psycopg import AsyncConnection


def shut_down(connection: AsyncConnection) -> None:
    """Shut a socket down, so that whoever waits on it wakes up with an error.

    Args:
        connection: Whose server has gone silent; even a request to cancel would wait for it.
    """
    with (
        suppress(psycopg.Error, OSError),
        socket.socket(fileno=os.dup(connection.pgconn.socket)) as twin,
    ):
        twin.shutdown(socket.SHUT_RDWR)
