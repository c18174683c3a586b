"""One uvicorn server on a socket that is bound already, and its end within two seconds."""

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any, cast

import uvicorn
from litestar.types import ASGIApp

from api.cli.serving.accepting import Accepting
from api.cli.serving.connection import Connection
from api.cli.serving.connection_counts import Place
from api.cli.serving.connection_guard import ConnectionGuard, ConnectionLimits
from api.http.around.countdown import STEP, Countdown

LONGEST_STOP = 1.8
"""Seconds from the request to stop until the process is gone, whatever still holds it."""

_GRACE = 0.8
"""Seconds for clients to take their answers: a little longer than streams have for a goodbye."""
_LONGEST_ANSWER = 1.1
"""Seconds for all answers; the rest of `LONGEST_STOP` is for the services to end."""
_BACKLOG = 2048

_logger = logging.getLogger("cairn")


class _Server(uvicorn.Server):
    def __init__(
        self, config: uvicorn.Config, ready: Callable[[], None], guard: ConnectionGuard
    ) -> None:
        super().__init__(config)
        self._ready = ready
        self._guard = guard
        self._watch: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        place = self._guard.place
        await super().startup(sockets if place is None else [])
        if self.started:
            if place is not None:
                accepting = [Accepting(one, self._connection, place) for one in sockets or ()]
                self.servers = cast("list[asyncio.Server]", accepting)
            watch = self._guard.watch(self.server_state.connections)
            self._watch = asyncio.create_task(watch)
            self._ready()

    def _connection(self) -> asyncio.Protocol:
        make: Any = self.config.http_protocol_class
        connection: asyncio.Protocol = make(
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )
        return connection

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        threading.Thread(target=_leave_at_last, daemon=True).start()
        if self._watch is not None:
            self._watch.cancel()
        logging.getLogger("uvicorn.error").addFilter(_while_stopping)
        Countdown(_GRACE).then(self._hang_up)
        Countdown(_LONGEST_ANSWER).then(self._cut)
        await super().shutdown(sockets)
        if self.force_exit:
            # Uvicorn leaves it at that, and has the services torn down in whatever they do.
            self._cut()
            await self.lifespan.shutdown()

    def _hang_up(self) -> None:
        """Drop the connections of those who take nothing, or never end what they send."""
        for connection in list(self.server_state.connections):
            assert isinstance(connection, Connection)  # noqa: S101 - made in run_server
            if connection.waits_for_client:
                # Closing would first wait until they have read everything.
                connection.transport.abort()

    def _cut(self) -> None:
        """Drop every connection, and end what is still done for it."""
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        for task in self.server_state.tasks:
            task.cancel()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's
        # Unlike uvicorn's own, it does not raise the signal again at the end: that is exit code 0.
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True


def _leave_at_last() -> None:
    # What was acknowledged is durable; what is in flight gets no answer, and is sent again.
    countdown = Countdown(LONGEST_STOP)
    while left := countdown.left():
        time.sleep(min(left, STEP))
    _logger.warning("stopping took longer than %s s, and was cut short", LONGEST_STOP)
    sys.stderr.flush()
    os._exit(0)


def _while_stopping(record: logging.LogRecord) -> bool:
    """Drop what uvicorn says of requests that it cuts itself."""
    error = record.exc_info[1] if record.exc_info else None
    is_cut = str(record.msg).startswith("ASGI callable returned without")
    return not (isinstance(error, asyncio.CancelledError) or is_cut)


def run_server(
    app: ASGIApp,
    listening: socket.socket,
    ready: Callable[[], None],
    limits: ConnectionLimits | None = None,
    place: Place | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM, then let open requests end; a second SIGINT cuts them.

    Args:
        app: What answers.
        listening: Where; it is closed at the end.
        ready: Called when requests are answered.
        limits: What clients may take.
        place: Of this worker among those that share the socket; None shares it with nobody.
    """
    guard = ConnectionGuard(limits or ConnectionLimits(), place)
    config = uvicorn.Config(
        app,
        http=partial(Connection, guard),  # type: ignore[arg-type]
        loop="uvloop",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
    )
    _Server(config, ready, guard).run(sockets=[listening])
