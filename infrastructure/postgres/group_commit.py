"""The write path: appends that arrive while a transaction is written go together into the next one.

    append() ─┐                                          ┌─ commit: every append has its position
    append() ─┼─ queue ─ batch ─ one call of append_batch┤
    append() ─┘                                          └─ refused: judge, fail the guilty, go on

An append and its companions are written or refused as one, and a batch never holds two that touch
one log. A batch is written whole or not at all. When it is refused, queries say which appends are
to blame; they fail and the others are written again. When the connection is lost while a batch is
on its way, nobody knows whether it was committed: the same queries, asked of the database once it
is back, find an append by the digest of its last event, so that a retry never doubles and an
acknowledgement never lies.

Two connections take turns: while the database flushes one batch, the next is being encoded and
sent. `log_head`, locked first by each batch, keeps them in order.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from psycopg import AsyncConnection, AsyncCursor

from application.errors import (
    ApplicationError,
    Busy,
    KeysTaken,
    OutcomeUnknown,
    ScopeMoved,
    StoreUnavailable,
    VersionConflict,
)
from application.ports.store import Append
from infrastructure.metrics import APPEND_BATCH, APPENDS, CONFLICTS, EVENTS_APPENDED
from infrastructure.postgres import sql
from infrastructure.postgres.arrays import BigintArray, TextArray, UuidArray, register_arrays
from infrastructure.postgres.batch import arguments

_STATEMENTS = sql.load("log")
_LOST = (psycopg.OperationalError, psycopg.InterfaceError, OSError)

_REFUSALS = frozenset({"CN001", "CN003", "23505"})
"""What `append_batch` raises when a session or a scope is elsewhere, and a unique violation."""
_PAUSE = 0.05

Connect = Callable[[], Awaitable[AsyncConnection]]
Committed = Callable[[int], None]


@dataclass(slots=True)
class _Waiting:
    """An append with its companions, the promise of its position, and what they come to.

    Args:
        streams: The append first.
        done: Gets the position.
        since: When it came.
        size: The bytes of all records.
        events: How many there are.
        expects: The shared scopes whose versions it asks for.
    """

    streams: Sequence[Append]
    done: asyncio.Future[int]
    since: float
    size: int
    events: int
    expects: Sequence[UUID]


class _End(NamedTuple):
    """Where a log is, and the event, if it is there, with which an append would have ended."""

    head: int
    digest: bytes | None
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitLimits:
    """How much may wait, and how long.

    Args:
        events: The most events in one batch.
        waiting_bytes: The most bytes of records that wait for a batch.
        patience: Seconds an append waits for a database that is away before it is refused.
        recovery: Seconds a batch on its way waits for its outcome to become known.
    """

    events: int = 2000
    waiting_bytes: int = 64 * 1024 * 1024
    patience: float = 5.0
    recovery: float = 60.0


class GroupCommit:
    """Writes appends in batches.

    Args:
        connect: Opens a connection in autocommit mode.
        committed: Called with the newest position after each commit.
        limits: How much may wait, and how long.
        writers: How many connections take turns.
    """

    def __init__(
        self,
        connect: Connect,
        committed: Committed = lambda _: None,
        *,
        limits: CommitLimits | None = None,
        writers: int = 2,
    ) -> None:
        self._connect = connect
        self._committed = committed
        self._limits = limits or CommitLimits()
        self._writers = writers
        self._queue: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._arrived = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._closing = False

    async def start(self) -> None:
        """Begin to write."""
        self._tasks = [asyncio.create_task(self._write()) for _ in range(self._writers)]
        self._tasks.append(asyncio.create_task(self._give_up_on_the_old()))

    async def stop(self) -> None:
        """Write what waits, then close the connections."""
        self._closing = True
        self._arrived.set()
        *writers, watch = self._tasks
        watch.cancel()
        _, late = await asyncio.wait(writers, timeout=self._limits.patience)
        for task in late:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._refuse(self._queue, StoreUnavailable("the server is stopping; try again"))
        self._queue.clear()

    async def append(self, append: Append) -> int:
        """Make an append durable; see `application.ports.store.EventLog.append`."""
        streams, size, events = append.streams, 0, 0
        expects: list[UUID] = []
        for one in streams:
            events += len(one.events)
            for event in one.events:
                size += len(event.record)
            expects += [expected.scope_id for expected in one.expected_scopes]
        if self._closing:
            raise StoreUnavailable("the server is stopping; try again")
        if self._waiting_bytes + size > self._limits.waiting_bytes:
            raise Busy
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._queue.append(_Waiting(streams, done, monotonic(), size, events, expects))
        self._waiting_bytes += size
        self._arrived.set()
        return await done

    async def _give_up_on_the_old(self) -> None:
        """Refuse appends which the database has kept waiting: nothing of them was ever sent."""
        while True:
            await asyncio.sleep(self._limits.patience / 10)
            overdue = monotonic() - self._limits.patience
            old: list[_Waiting] = []
            while self._queue and self._queue[0].since < overdue:
                old.append(self._queue.popleft())
            self._waiting_bytes -= sum(waiting.size for waiting in old)
            self._refuse(old, StoreUnavailable())

    def _refuse(self, waiting: Sequence[_Waiting] | deque[_Waiting], why: Exception) -> None:
        for one in waiting:
            if not one.done.done():
                one.done.set_exception(why)

    async def _write(self) -> None:
        connection: AsyncConnection | None = None
        try:
            while not (self._closing and not self._queue):
                if not self._queue:
                    self._arrived.clear()
                    await self._arrived.wait()
                    # Those who are about to come in this very turn of the loop come along.
                    await asyncio.sleep(0)
                    continue
                if connection is None or connection.closed:
                    connection = await self._reconnect()
                    continue
                batch = self._take()
                if batch:
                    connection = await self._settle(connection, batch)
                else:
                    await asyncio.sleep(0)
        finally:
            if connection is not None:
                await connection.close()

    async def _reconnect(self) -> AsyncConnection | None:
        try:
            connection = await self._connect()
        except _LOST:
            await asyncio.sleep(0.1)
            return None
        connection.prepare_threshold = 0
        register_arrays(connection)
        return connection

    def _take(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        events = 0
        seen: set[bytes] = set()
        written: set[UUID] = set()
        later: list[_Waiting] = []
        while self._queue and events < self._limits.events:
            waiting = self._queue.popleft()
            logs = [one.session_id.bytes for one in waiting.streams]
            if not (seen.isdisjoint(logs) and written.isdisjoint(waiting.expects)):
                # It was decided on a state that one before it is about to change: let it conflict.
                later.append(waiting)
                continue
            seen.update(logs)
            for one in waiting.streams:
                for write in one.shared:
                    written.add(write.scope_id)
            events += waiting.events
            self._waiting_bytes -= waiting.size
            batch.append(waiting)
        self._queue.extendleft(reversed(later))
        return batch

    async def _settle(
        self, connection: AsyncConnection | None, batch: list[_Waiting], *, tried: bool = False
    ) -> AsyncConnection | None:
        """Write a batch until each append in it is written or refused; return the connection."""
        deadline = monotonic() + self._limits.recovery
        try:
            while batch:
                if connection is None or connection.closed:
                    connection = await self._reconnect()
                if connection is not None:
                    batch = await self._attempt(connection, batch, judge=tried)
                    tried = True
                if monotonic() > deadline:
                    self._refuse(batch, OutcomeUnknown() if tried else StoreUnavailable())
                    break
        except asyncio.CancelledError:
            self._refuse(batch, OutcomeUnknown())
            raise
        except Exception as unforeseen:  # noqa: BLE001 - one bad append must not end the writer
            if len(batch) == 1:
                self._refuse(batch, unforeseen)
            else:
                for one in batch:
                    connection = await self._settle(connection, [one], tried=tried)
        return connection

    async def _attempt(
        self, connection: AsyncConnection, batch: list[_Waiting], *, judge: bool
    ) -> list[_Waiting]:
        """Write a batch, and return what of it is still to be settled."""
        is_doubtful = False
        try:
            if judge:
                batch = await self._judge(connection.cursor(binary=True), batch)
            while batch and (refusal := await self._send(connection, batch)):
                CONFLICTS.inc()
                innocent = await self._judge(connection.cursor(binary=True), batch)
                if is_doubtful and len(innocent) == len(batch):
                    # Nothing stored is in its way, twice: the batch contradicts itself.
                    raise refusal
                is_doubtful = len(innocent) == len(batch)
                batch = innocent
        except _LOST:
            await connection.close()
            await asyncio.sleep(_PAUSE)
            return batch
        return []

    async def _send(
        self, connection: AsyncConnection, batch: list[_Waiting]
    ) -> psycopg.Error | None:
        cursor = connection.cursor(binary=True)
        try:
            flat = [one for waiting in batch for one in waiting.streams]
            await cursor.execute(_STATEMENTS["append"], arguments(flat))
        except psycopg.Error as error:
            if error.sqlstate in _REFUSALS:
                return error
            raise
        row = await cursor.fetchone()
        base: int = row[0] if row else 0
        position = base
        for waiting in batch:
            if not waiting.done.done():
                waiting.done.set_result(position + len(waiting.streams[0].events))
            position += waiting.events
        APPENDS.inc(len(batch))
        EVENTS_APPENDED.inc(position - base)
        APPEND_BATCH.observe(position - base)
        self._committed(position)
        return None

    async def _judge(self, cursor: AsyncCursor[Any], waiting: list[_Waiting]) -> list[_Waiting]:
        """Answer the appends whose fate is known and return the innocent, to be written again."""
        every = [one for entry in waiting for one in entry.streams]
        # Asked first: where they were changed by what is judged here, its digest is found after it.
        taken = await self._keys_taken(cursor, every)
        versions = await self._scope_versions(cursor, every)
        sessions = [one.session_id.bytes for one in every]
        lasts = [one.before + len(one.events) for one in every]
        await cursor.execute(
            _STATEMENTS["judge"], {"session": UuidArray(sessions), "last": BigintArray(lasts)}
        )
        found = zip(every, await cursor.fetchall(), strict=True)
        ends = {one.session_id: _End(*row) for one, row in found}
        innocent: list[_Waiting] = []
        for entry in waiting:
            position = _position_of(entry, ends)
            if position is not None:
                if not entry.done.done():
                    entry.done.set_result(position)
                self._committed(position + entry.events - len(entry.streams[0].events))
                continue
            refusal = _refusal_of(entry, ends, taken, versions)
            if refusal is None:
                innocent.append(entry)
            elif not entry.done.done():
                entry.done.set_exception(refusal)
        return innocent

    async def _keys_taken(
        self, cursor: AsyncCursor[Any], appends: Sequence[Append]
    ) -> set[tuple[UUID, str]]:
        keys = [key for one in appends for key in one.keys]
        if not keys:
            return set()
        scopes = UuidArray([key.scope.bytes for key in keys])
        names = TextArray([key.key.encode() for key in keys])
        await cursor.execute(_STATEMENTS["keys_taken"], {"scope": scopes, "key": names})
        return {(scope, name) for scope, name in await cursor.fetchall()}

    async def _scope_versions(
        self, cursor: AsyncCursor[Any], appends: Sequence[Append]
    ) -> dict[UUID, int]:
        scopes = {expected.scope_id for one in appends for expected in one.expected_scopes}
        if not scopes:
            return {}
        await cursor.execute(
            _STATEMENTS["scope_versions"], {"scope": UuidArray([one.bytes for one in scopes])}
        )
        return dict(await cursor.fetchall())


def _position_of(entry: _Waiting, ends: Mapping[UUID, _End]) -> int | None:
    """Return the position to answer with if the entry is written; any one of its digests tells."""
    for one in entry.streams:
        if one.events:
            end = ends[one.session_id]
            if end.digest != one.events[-1].digest:
                return None
            # Whatever stands before it has no events.
            return end.position - len(one.events) + len(entry.streams[0].events)
    return None


def _refusal_of(
    entry: _Waiting,
    ends: Mapping[UUID, _End],
    taken: Collection[tuple[UUID, str]],
    versions: Mapping[UUID, int],
) -> ApplicationError | None:
    """Return what is in the way of an entry that is not written, if anything is."""
    repeated = frozenset(
        key.key for one in entry.streams for key in one.keys if (key.scope, key.key) in taken
    )
    if repeated:
        return KeysTaken(repeated)
    for one in entry.streams:
        head = ends[one.session_id].head
        if one.events and head != one.before:
            return VersionConflict(None, session_id=str(one.session_id), head=head)
    for one in entry.streams:
        for scope_id, expected in one.expected_scopes:
            version = versions.get(scope_id, 0)
            if version != expected:
                return ScopeMoved(None, head=version)
    return None
