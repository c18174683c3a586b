"""The write path: appends that arrive while a transaction is written go together into the next one.

    append() ─┐                                          ┌─ commit: every append has its position
    append() ─┼─ queue ─ batch ─ call of append_batch_v1 ─┤
    append() ─┘                                          └─ refused: judge, fail the guilty, go on

Apps take turns in the queue (`fair_queue.py`); when its memory is taken, the newest appends of the
app that has most of it are refused for others.

An append and its companions are written or refused as one, and a batch never holds two that touch
one log. A batch is written whole or not at all. When it conflicts with what is stored, the judge
(`commit_judge.py`) says which appends are to blame; they fail, the others are written again. When
the connection is lost while a batch is on its way, nobody knows whether it was committed: the
connection's server process is ended and the judge is asked, so that a retry never doubles and an
acknowledgement never lies. When the database refuses the batch (its disk is full, it is read-only:
`outcomes.py`), all of it fails at once: nothing was stored.

Two connections take turns: while the database flushes one batch, the next is being encoded and
sent. `log_head`, locked first by each batch, keeps them in order. Callers who were answered by one
commit come back together, and the database would stand still while they are served: so many who
wait while nothing is on its way become two batches, and their callers take turns from then on.

Every caller is answered within `patience`: with its position, with a refusal after which nothing is
stored, or with `OutcomeUnknown` when its batch is on its way and the database is not heard from.
"""

import asyncio
import os
from dataclasses import dataclass, field
from time import monotonic
from uuid import UUID

import psycopg
from psycopg import AsyncConnection

from application.errors import OutcomeUnknown, Overloaded, StoreUnavailable
from application.memory_budget import MEBIBYTE, Share
from application.patience import waited, waiting
from application.ports.log.append import Append
from infrastructure.postgres import sql
from infrastructure.postgres.connecting.outcomes import LOST, outcome_of, unavailable
from infrastructure.postgres.writing.batch_writer import BatchWriter, Committed
from infrastructure.postgres.writing.commit_judge import PendingAppend, refuse
from infrastructure.postgres.writing.fair_queue import FairQueue
from infrastructure.postgres.writing.rehearsal import rehearse
from infrastructure.postgres.writing.write_health import WriteHealth
from infrastructure.postgres.writing.writer_connection import Connect, WriterConnection

_PROBE = sql.load("writer")["probe"]

_HALVED_FROM = 32
"""So many appends that wait while nothing is on its way are shared by two connections."""
_ATTEMPT = 0.6
"""The part of the patience that one attempt may take: a second one may still be in time."""
_PROBE_BYTES = 65_536
_KNOWN_FOR = 5.0
"""Seconds for which it is known that writes are taken, once one was."""
_LOOKS_WITHIN = 1.0
"""Seconds that who wants to know waits for it."""
_LEAST_PATIENCE = 0.5
"""Seconds that an append has here however long its caller has waited before."""
_LOOKS_FOR_THE_LATE = 0.2
"""Seconds between two looks for callers who have waited for too long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitLimits:
    """How much may wait, and how long.

    Args:
        events: The most events in one batch.
        bytes: The bytes of records at which a batch is full.
        waiting: The memory for records that wait for a batch.
        patience: Seconds within which a caller is answered, whatever the database does.
    """

    events: int = 2000
    bytes: int = 8 * 1024 * 1024
    waiting: Share = field(default_factory=lambda: Share("appends", 64 * MEBIBYTE))
    patience: float = 5.0


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
        self._limits = limits or CommitLimits()
        self.health = WriteHealth()
        self._writers = [
            BatchWriter(
                connect,
                committed,
                self.health,
                self._limits.patience * _ATTEMPT,
                self._distrust_the_connections,
            )
            for _ in range(writers)
        ]
        self._queue = FairQueue()
        self._arrived = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._closing = False
        self._asked: asyncio.Future[None] | None = None
        """Waits for a writer to rehearse."""
        self._looking: asyncio.Future[None] | None = None
        """Is done when one has."""

    async def start(self) -> None:
        """Begin to write."""
        self._tasks = [asyncio.create_task(self._write(writer)) for writer in self._writers]
        self._tasks.append(asyncio.create_task(self._answer_in_time()))
        self._tasks.append(asyncio.create_task(self._look_for_the_end_of_trouble()))

    async def stop(self) -> None:
        """Write what waits, then close the connections."""
        self._closing = True
        self._arrived.set()
        many = len(self._writers)
        writers, watches = self._tasks[:many], self._tasks[many:]
        for watch in watches:
            watch.cancel()
        _, late = await asyncio.wait(writers, timeout=self._limits.patience)
        for task in late:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        refuse(self._queue, StoreUnavailable("the server is stopping; try again"))
        self._limits.waiting.count(-sum(waiting.size for waiting in self._queue))
        self._queue = FairQueue()

    async def append(self, append: Append) -> int:
        """Make an append durable; see `EventLog.append`."""
        streams, size, events = append.streams, 0, 0
        logs: list[int] = []
        expects: list[UUID] = []
        for one in streams:
            logs.append(one.session_id.int)
            events += len(one.events)
            for event in one.events:
                size += len(event.record)
            if one.expected_scopes:
                expects += [expected.scope_id for expected in one.expected_scopes]
        if self._closing:
            raise StoreUnavailable("the server is stopping; try again")
        self._make_room(append.app, size)
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        most = max(self._limits.patience - _LEAST_PATIENCE, 0.0)
        since = monotonic() - min(max(append.waited, waited()), most)
        app = append.app
        if self._queue.add(PendingAppend(streams, done, since, size, events, logs, expects, app)):
            self._arrived.set()
        with waiting():
            return await done

    async def look(self) -> None:
        """Find out whether writes are taken, unless that is known; wait for it a moment."""
        is_known = monotonic() - self.health.heard_at < _KNOWN_FOR
        if not (is_known or self.health.trouble is not None or self._closing):
            await self._have_rehearsed()

    async def _have_rehearsed(self) -> None:
        """Have a writer rehearse as soon as one has nothing else to do, and wait a moment."""
        if self._looking is None:
            self._looking = self._asked = asyncio.get_running_loop().create_future()
            self._arrived.set()
        await asyncio.wait((self._looking,), timeout=_LOOKS_WITHIN)

    async def _rehearse(self, writer: BatchWriter, asked: asyncio.Future[None]) -> None:
        self._asked = None
        try:
            await writer.rehearse()
        finally:
            self._looking = None
            asked.set_result(None)

    def _make_room(self, app: str, size: int) -> None:
        """Take memory for an append: when there is none left, from an app that has more of it."""
        share = self._limits.waiting
        while share.used + size > share.limit:
            newest = self._queue.give_way(app, size)
            if newest is None:
                break
            share.count(-newest.size)
            refuse([newest], Overloaded(None, share=share.name, limit=share.limit))
        share.take(size)

    def _distrust_the_connections(self) -> None:
        for writer in self._writers:
            writer.distrust()

    async def _answer_in_time(self) -> None:
        """Answer the callers whom the database has kept waiting for too long."""
        while True:
            await asyncio.sleep(min(self._limits.patience / 10, _LOOKS_FOR_THE_LATE))
            overdue = monotonic() - self._limits.patience
            # When it is known what is wrong, that is why it was too long.
            why = self.health.trouble or LOST
            nothing_stored = unavailable(why)
            # Not in the order of their age: some have waited before they came here.
            old = self._queue.leave_out(lambda one: one.since < overdue)  # noqa: B023
            self._limits.waiting.count(-sum(waiting.size for waiting in old))
            refuse(old, nothing_stored)
            late = len(old)
            for batch in [batch for writer in self._writers for batch in writer.batches]:
                told = [one for one in batch.appends if one.since < overdue and not one.done.done()]
                refuse(told, OutcomeUnknown() if batch.is_sent else nothing_stored)
                late += len(told)
            if late:
                self.health.failed(why, late, since=overdue)

    async def _look_for_the_end_of_trouble(self) -> None:
        """Try to write every second while writes are refused: callers stay away meanwhile."""
        while True:
            await asyncio.sleep(min(self._limits.patience / 5, 1.0))
            if self.health.trouble is None:
                continue
            began = monotonic()
            probe = WriterConnection(self._connect, self._limits.patience)
            try:
                connection = await probe.open()
                await probe.within(_try_to_write(connection))
                # A writer may still wait for the end of a connection that it has left.
                await self._have_rehearsed()
                if self.health.heard_at > began:
                    self.health.succeeded()
            except (psycopg.Error, OSError) as error:
                outcome = outcome_of(error)
                if outcome is not None and outcome.reaction != "retry":
                    self.health.failed(outcome, 0)
            finally:
                await probe.close()

    async def _write(self, writer: BatchWriter) -> None:
        try:
            while not (self._closing and not self._queue):
                if not self._queue:
                    if self._asked is not None:
                        await self._rehearse(writer, self._asked)
                        continue
                    self._arrived.clear()
                    await self._arrived.wait()
                    # Those who are about to come in this very turn of the loop come along.
                    await asyncio.sleep(0)
                    continue
                if not await writer.is_open():
                    continue
                appends = self._take()
                if appends:
                    await writer.settle(appends)
                else:
                    await asyncio.sleep(0)
        finally:
            await writer.close()

    def _take(self) -> list[PendingAppend]:
        batch: list[PendingAppend] = []
        events = size = 0
        seen: set[int] = set()
        written: set[UUID] = set()
        later: list[PendingAppend] = []
        limits = self._limits
        most = left = len(self._queue)
        if most >= _HALVED_FROM and not any(writer.batches for writer in self._writers):
            most -= most // 2
        while left and len(batch) < most and events < limits.events and size < limits.bytes:
            waiting, left = self._queue.take(), left - 1
            if not (seen.isdisjoint(waiting.logs) and written.isdisjoint(waiting.expects)):
                # It was decided on a state that one before it is about to change: let it conflict.
                later.append(waiting)
                continue
            seen.update(waiting.logs)
            for one in waiting.streams:
                for write in one.shared:
                    written.add(write.scope_id)
            events += waiting.events
            size += waiting.size
            limits.waiting.count(-waiting.size)
            batch.append(waiting)
        self._queue.give_back(later)
        return batch


async def _try_to_write(connection: AsyncConnection) -> None:
    """Do what every append does and take it back, then commit what takes space."""
    await rehearse(connection)
    await connection.execute(_PROBE, {"filler": os.urandom(_PROBE_BYTES)})
