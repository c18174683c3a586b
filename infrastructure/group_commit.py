"""The write path: appends that arrive while a transaction is written go together into the next one.

    append() ─┐                                          ┌─ commit: every append has its position
    append() ─┼─ queue ─ batch ─ one call of append_batch┤
    append() ─┘                                          └─ refused: judge, fail the guilty, go on

A batch is written whole or not at all. When it is refused, one query says which appends are to
blame; they fail and the others are written again. When the connection is lost while a batch is on
its way, nobody knows whether it was committed: the same query, asked of the database once it is
back, finds an append by the digest of its last event, so that a retry never doubles and an
acknowledgement never lies.

Two connections take turns: while the database flushes one batch, the next is being encoded and
sent. `log_head`, locked first by each batch, keeps them in order.
"""

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

import psycopg
from psycopg import AsyncConnection, AsyncCursor

from application.errors import (
    ApplicationError,
    Busy,
    KeysTaken,
    OutcomeUnknown,
    StoreUnavailable,
    VersionConflict,
)
from application.ports import Append, SessionRow
from infrastructure import sql
from infrastructure.arrays import (
    BigintArray,
    ByteaArray,
    TextArray,
    TimestampArray,
    UuidArray,
    register_arrays,
)
from infrastructure.metrics import APPEND_BATCH, APPENDS, CONFLICTS, EVENTS_APPENDED

_STATEMENTS = sql.load("log")
_LOST = (psycopg.OperationalError, psycopg.InterfaceError, OSError)

_REFUSALS = frozenset({"CN001", "23505"})
"""What `append_batch` raises when a session is elsewhere, and a unique violation."""
_PAUSE = 0.05

Connect = Callable[[], Awaitable[AsyncConnection]]
Committed = Callable[[int], None]


@dataclass(slots=True)
class _Waiting:
    append: Append
    done: asyncio.Future[int]
    since: float
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
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


def _arguments(batch: Sequence[_Waiting]) -> dict[str, Any]:
    """Return the arrays and JSON that `append_batch` takes."""
    events: list[tuple[Any, ...]] = []
    touched: list[tuple[Any, ...]] = []
    keys: list[tuple[Any, ...]] = []
    rows: list[dict[str, Any]] = []
    shared: list[dict[str, Any]] = []
    count = 0
    for waiting in batch:
        append = waiting.append
        session, sequence, first = append.session_id.bytes, append.before, count
        for event in append.events:
            sequence += 1
            events.append((session, sequence, event.type.encode(), event.record, event.digest))
        count += len(append.events)
        if append.row is not None:
            rows.append(_row_json(append, append.row, count))
        elif append.events:
            digest = append.events[-1].digest
            touched.append((session, append.before, sequence, count, digest, append.at))
        for key in append.keys:
            made = key.sequence - append.before
            keys.append(
                (
                    key.scope.bytes,
                    key.key.encode(),
                    key.fingerprint,
                    key.session_id.bytes,
                    key.sequence,
                    first + made if made else 0,
                    key.position,
                    key.answer,
                    append.at,
                )
            )
        if append.shared:
            shared += _shared_json(append, first)
    e, t, k = _columns(events, 5), _columns(touched, 6), _columns(keys, 9)
    return {
        "e_session": UuidArray(e[0]),
        "e_sequence": BigintArray(e[1]),
        "e_type": TextArray(e[2]),
        "e_record": ByteaArray(e[3]),
        "e_digest": ByteaArray(e[4]),
        "t_session": UuidArray(t[0]),
        "t_before": BigintArray(t[1]),
        "t_after": BigintArray(t[2]),
        "t_offset": BigintArray(t[3]),
        "t_digest": ByteaArray(t[4]),
        "t_at": TimestampArray(t[5]),
        "k_scope": UuidArray(k[0]),
        "k_key": TextArray(k[1]),
        "k_fingerprint": ByteaArray(k[2]),
        "k_session": UuidArray(k[3]),
        "k_sequence": BigintArray(k[4]),
        "k_offset": BigintArray(k[5]),
        "k_position": BigintArray(k[6]),
        "k_answer": ByteaArray(k[7]),
        "k_at": TimestampArray(k[8]),
        "rows": json.dumps(rows) if rows else None,
        "shared": json.dumps(shared) if shared else None,
    }


def _columns(rows: list[tuple[Any, ...]], width: int) -> Sequence[Sequence[Any]]:
    return list(zip(*rows, strict=True)) if rows else [()] * width


def _row_json(append: Append, row: SessionRow, offset: int) -> dict[str, Any]:
    return {
        "id": str(append.session_id),
        "before": append.before,
        "after": append.before + len(append.events),
        "off": offset,
        "digest": append.events[-1].digest.hex(),
        "at": append.at.isoformat(),
        "created_at": row.created_at.isoformat(),
        "app": row.app,
        "user_id": row.user,
        "workspace": row.workspace,
        "team": row.team,
        "scope": row.scope,
        "agent": row.agent,
        "type": row.type,
        "status": row.status,
        "title": row.title,
        "starred": row.starred,
        "tags": row.tags,
        "deleted": row.deleted,
        "doc": row.doc,
    }


def _shared_json(append: Append, first: int) -> list[dict[str, Any]]:
    return [
        {
            "scope_id": str(write.scope_id),
            "key": write.key,
            "off": first + write.offset + 1,
            "value": None if write.value is None else write.value.decode(),
            "session_id": str(append.session_id),
            "sequence": append.before + write.offset + 1,
        }
        for write in append.shared
    ]


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
        limits: Limits | None = None,
        writers: int = 2,
    ) -> None:
        self._connect = connect
        self._committed = committed
        self._limits = limits or Limits()
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
        """Make an append durable; see `application.ports.EventLog.append`."""
        size = sum(len(event.record) for event in append.events)
        if self._closing:
            raise StoreUnavailable("the server is stopping; try again")
        if self._waiting_bytes + size > self._limits.waiting_bytes:
            raise Busy
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._queue.append(_Waiting(append, done, monotonic(), size))
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
        later: list[_Waiting] = []
        while self._queue and events < self._limits.events:
            waiting = self._queue.popleft()
            session = waiting.append.session_id.bytes
            if session in seen:
                # It was decided on a state that the first one is about to change: let it conflict.
                later.append(waiting)
                continue
            seen.add(session)
            events += len(waiting.append.events)
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
        try:
            if judge:
                batch = await self._judge(connection.cursor(binary=True), batch)
            while batch and (refusal := await self._send(connection, batch)):
                CONFLICTS.inc()
                innocent = await self._judge(connection.cursor(binary=True), batch)
                if len(innocent) == len(batch):
                    # Nothing stored is in its way: the batch contradicts itself.
                    raise refusal
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
            await cursor.execute(_STATEMENTS["append"], _arguments(batch))
        except psycopg.Error as error:
            if error.sqlstate in _REFUSALS:
                return error
            raise
        row = await cursor.fetchone()
        base: int = row[0] if row else 0
        position = base
        for waiting in batch:
            position += len(waiting.append.events)
            if not waiting.done.done():
                waiting.done.set_result(position)
        APPENDS.inc(len(batch))
        EVENTS_APPENDED.inc(position - base)
        APPEND_BATCH.observe(position - base)
        self._committed(position)
        return None

    async def _judge(self, cursor: AsyncCursor[Any], waiting: list[_Waiting]) -> list[_Waiting]:
        """Answer the appends whose fate is known and return the innocent, to be written again."""
        sessions = [one.append.session_id.bytes for one in waiting]
        lasts = [one.append.before + len(one.append.events) for one in waiting]
        await cursor.execute(
            _STATEMENTS["judge"], {"session": UuidArray(sessions), "last": BigintArray(lasts)}
        )
        found = await cursor.fetchall()
        taken = await self._keys_taken(cursor, waiting)
        innocent: list[_Waiting] = []
        for one, (head, digest, position) in zip(waiting, found, strict=True):
            append = one.append
            if append.events and digest == append.events[-1].digest:
                if not one.done.done():
                    one.done.set_result(position)
                self._committed(position)
                continue
            repeated = frozenset(key.key for key in append.keys if (key.scope, key.key) in taken)
            refusal: ApplicationError | None = None
            if repeated:
                refusal = KeysTaken(repeated)
            elif append.events and head != append.before:
                refusal = VersionConflict(None, head=head)
            if refusal is None:
                innocent.append(one)
            elif not one.done.done():
                one.done.set_exception(refusal)
        return innocent

    async def _keys_taken(
        self, cursor: AsyncCursor[Any], waiting: list[_Waiting]
    ) -> set[tuple[Any, str]]:
        keys = [key for one in waiting for key in one.append.keys]
        if not keys:
            return set()
        scopes = UuidArray([key.scope.bytes for key in keys])
        names = TextArray([key.key.encode() for key in keys])
        await cursor.execute(_STATEMENTS["keys_taken"], {"scope": scopes, "key": names})
        return {(scope, name) for scope, name in await cursor.fetchall()}
