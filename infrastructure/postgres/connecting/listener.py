"""Waking other processes, and being woken by them.

NOTIFY says only that the log has grown; what has grown is read from the table. A notification that
is lost, or a listening connection that breaks, costs a second at most: the log is looked at once a
second whatever happens. Nothing is announced while no other process listens, because a NOTIFY
takes a lock at commit that all of the server's notifying transactions share.
"""

import asyncio
import logging
from contextlib import suppress
from typing import Any
from uuid import UUID, uuid4

import msgspec
import psycopg
from psycopg import AsyncConnection

from application.errors import StoreUnavailable
from application.fan_out import FanOut
from application.ports.log.whole_log import WholeLog
from application.ports.session.partials import KeptPiece, Key, Piece
from infrastructure.metrics import LAG
from infrastructure.postgres import sql
from infrastructure.postgres.connecting.database import Database
from infrastructure.postgres.connecting.sockets import within

_STATEMENTS = sql.load("listener")
_FAILED = (psycopg.Error, OSError)
"""Not only a lost connection: a replica refuses to listen, with an error of its own class."""
_LOOK_EVERY = 1.0
_ANSWERED_WITHIN = 5.0
_LARGEST_PAYLOAD = 7900
"""Postgres refuses payloads of 8000 bytes and more."""
_MOST_PIECES = 2000

_logger = logging.getLogger("cairn.listener")


class Listener:
    """Keeps a fan-out awake to what other processes write.

    Args:
        database: The server in between.
        fan_out: Who is told.
    """

    def __init__(self, database: Database, fan_out: FanOut) -> None:
        self._database = database
        self._fan_out = fan_out
        self._name = uuid4().hex
        self._others = True
        self._announced = 0
        self._position = 0
        self._pieces: list[str] = []
        self._unsaid: set[UUID] = set()
        self._to_say = asyncio.Event()
        self._to_look = asyncio.Event()
        self._seen = 0
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, log: WholeLog) -> None:
        """Begin to listen and to speak.

        Args:
            log: What to look at.
        """
        self._seen = await log.head()
        self._fan_out.reached(self._seen)
        self._tasks = [
            asyncio.create_task(self._listen()),
            asyncio.create_task(self._speak()),
            asyncio.create_task(self._look(log)),
        ]

    async def stop(self) -> None:
        """Stop both."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def announce(self, position: int) -> None:
        """Say that the log has reached a position, to this process and the others."""
        self._fan_out.reached(position)
        if self._others and position > self._position:
            self._position = position
            self._to_say.set()

    @property
    def others(self) -> bool:
        """Whether other processes listen, as far as is known."""
        return self._others

    def announce_piece(self, kept: KeptPiece) -> None:
        """Pass on a piece if others listen; one that is too large is read where it is kept."""
        if not self._others:
            return
        piece = kept.piece
        half = ord(piece.half) if piece.half else None
        payload = _to_json(
            [
                self._name,
                kept.session_id,
                kept.turn_id,
                piece.key,
                piece.index,
                piece.count,
                piece.offset,
                piece.text,
                piece.since,
                piece.name,
                half,
            ]
        )
        if len(payload.encode()) <= _LARGEST_PAYLOAD and len(self._pieces) < _MOST_PIECES:
            self._pieces.append(payload)
        else:
            self._unsaid.add(kept.session_id)
        self._to_say.set()

    async def _speak(self) -> None:
        connection: AsyncConnection | None = None
        try:
            while True:
                await self._to_say.wait()
                self._to_say.clear()
                try:
                    if connection is None or connection.closed:
                        connection = await self._database.connect("cairn announcer")
                    await within(connection, _ANSWERED_WITHIN, self._say(connection))
                except _FAILED:
                    if connection is not None:
                        await _left(connection)
                    await asyncio.sleep(_LOOK_EVERY)
        finally:
            if connection is not None:
                await connection.close()

    async def _say(self, connection: AsyncConnection) -> None:
        # Pieces first: what is recorded replaces what was shown of it.
        position, pieces = self._position, self._pieces
        pieces += [_to_json([self._name, session_id]) for session_id in self._unsaid]
        self._pieces, self._unsaid = [], set()
        if pieces:
            await connection.execute(_STATEMENTS["pass_on"], {"pieces": pieces})
        if position > self._announced:
            self._announced = position
            await connection.execute(_STATEMENTS["announce"], {"from": self._name})

    async def _listen(self) -> None:
        while True:
            connection: AsyncConnection | None = None
            try:
                connection = await self._database.connect("cairn listener")
                await within(connection, _ANSWERED_WITHIN, self._begin_to_listen(connection))
                self._to_look.set()
                async for heard in connection.notifies():
                    self._hear(heard)
            except _FAILED as why:
                _logger.debug("listening again in a moment: %s", why)
                await asyncio.sleep(_LOOK_EVERY)
            finally:
                if connection is not None:
                    await _left(connection)

    async def _begin_to_listen(self, connection: AsyncConnection) -> None:
        await connection.execute(_STATEMENTS["listen"])
        await connection.execute(_STATEMENTS["listen_pieces"])
        await connection.execute(_STATEMENTS["listen_access"])
        self._fan_out.access.notify()
        # Whoever believed to be alone hears that there is somebody to tell.
        await connection.execute(_STATEMENTS["announce"], {"from": self._name})

    def _hear(self, heard: psycopg.Notify) -> None:
        if heard.channel == "cairn_access":
            self._fan_out.access.notify()
            return
        if heard.channel == "cairn_log":
            if heard.payload != self._name:
                self._others = True
                self._to_look.set()
            return
        try:
            speaker, session_id, *rest = msgspec.json.decode(heard.payload)
            if speaker == self._name:
                return
            if not rest:
                self._fan_out.hear_of(UUID(session_id))
                return
            turn_id, key, index, count, offset, text, since, name, half = rest
            piece = Piece(
                Key(*key), index, count, offset, text, since, name, chr(half) if half else ""
            )
            self._fan_out.hear(KeptPiece(UUID(session_id), turn_id, piece))
        except (ValueError, TypeError, AttributeError):
            _logger.warning("a piece that another program has passed on is not understood")

    async def _look(self, log: WholeLog) -> None:
        """Wake those whose sessions changed: when told so, and once a second anyway."""
        while True:
            on_time = False
            try:
                async with asyncio.timeout(_LOOK_EVERY):
                    await self._to_look.wait()
            except TimeoutError:
                on_time = True
            self._to_look.clear()
            try:
                if on_time:
                    self._others = await self._anybody_else()
                known = max(self._seen, self._fan_out.position)
                head = None if self._fan_out.anybody else await log.head()
                # Whoever came meanwhile may have read less than that head: see what has changed.
                if head is not None and not self._fan_out.anybody:
                    self._seen = head
                else:
                    self._seen, changed = await log.changed_since(self._seen)
                    for session_id, sequence in changed.items():
                        self._fan_out.advance(session_id, sequence)
                LAG.set(max(self._seen - known, 0))
                self._fan_out.reached(self._seen)
            except StoreUnavailable:
                continue
            except Exception:
                # Whoever follows a session depends on this task: nothing may end it.
                _logger.exception("the log could not be looked at; trying again")

    async def _anybody_else(self) -> bool:
        rows: list[tuple[Any, ...]] = await self._database.fetch(_STATEMENTS["listeners"], {})
        return int(rows[0][0]) > 1


async def _left(connection: AsyncConnection) -> None:
    with suppress(*_FAILED):
        await connection.close()


def _to_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
