"""Writing what was planned: the bytes, ids, sequences, times and digests of the files, as they are.

A log is written in appends of some hundred events, through the same commit as everything else. As
long as a session is not complete it is held, so that nobody goes on with a part of it. An import
that was ended half-way is planned again, and goes on where it ended.
"""

import asyncio
from collections.abc import AsyncGenerator
from itertools import zip_longest
from typing import NamedTuple
from uuid import UUID

from application.commands.repository import SessionRepository
from application.commands.request import Caller
from application.commands.scope_handler import ScopeHandler
from application.fan_out import FanOut
from application.ports.blobs.blob_store import BlobStore
from application.ports.log.append import Appender
from application.ports.log.codec import Codec
from application.ports.session.shared_state import SharedState
from application.transfer.blob_files import take_in
from application.transfer.log_writer import LogWriter
from application.transfer.plans import ImportPlan
from application.transfer.standing_keys import StandingKeys
from domain.timers import Timers

_LOGS_AT_ONCE = 4
_TOLD_EVERY = 32


class Written(NamedTuple):
    """How far an import has come."""

    logs: int
    events: int


class Importer:
    """Writes plans.

    Args:
        log: Where events go.
        codec: Reads their records.
        blobs: Where blobs go.
        shared_state: Knows the values that keys have.
        repository: Folds what is there already, and keeps states.
        scope_handler: Gives keys that sessions share their values back.
        fan_out: Who hears of new events.
        timers: How long turns may be silent or run.
    """

    def __init__(
        self,
        log: Appender,
        codec: Codec,
        blobs: BlobStore,
        shared_state: SharedState,
        repository: SessionRepository,
        scope_handler: ScopeHandler,
        fan_out: FanOut,
        timers: Timers,
    ) -> None:
        self.blobs = blobs
        self._log = log
        self._codec = codec
        self._shared_state = shared_state
        self._repository = repository
        self._scope_handler = scope_handler
        self._fan_out = fan_out
        self._timers = timers

    async def write(self, plan: ImportPlan, caller: Caller) -> AsyncGenerator[Written]:
        """Write what a plan without conflicts says, and tell now and then how far it has come.

        Args:
            plan: What to write.
            caller: Who asks.

        Raises:
            VersionConflict: Somebody has begun a log with the same id meanwhile.
            StoreUnavailable: The store was lost; run the import again.
        """
        for blob in plan.blobs:
            await take_in(self.blobs, blob)
        standing = StandingKeys(self._shared_state, self._codec, self._scope_handler, plan, caller)
        run = _Run(self, plan, standing)
        last = {step.log_id: step.sequence for step in plan.shared}
        for step, after in zip_longest(plan.shared, plan.shared[1:]):
            if last[step.log_id] == step.sequence:
                await run.finish(step.log_id)
                yield run.written
            elif after is None or after.log_id != step.log_id:
                await run.advance(step.log_id, step.sequence)
        left = [log_id for log_id in plan.logs if log_id not in last]
        for start in range(0, len(left), _TOLD_EVERY):
            gate = asyncio.Semaphore(_LOGS_AT_ONCE)
            tasks = [
                asyncio.create_task(run.finish_at(log_id, gate))
                for log_id in left[start : start + _TOLD_EVERY]
            ]
            try:
                await asyncio.gather(*tasks)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)
            yield run.written
        await run.end()
        yield run.written

    def writer(self, plan: ImportPlan, log_id: UUID, standing: StandingKeys) -> LogWriter:
        """Return what writes one log of a plan.

        Args:
            plan: The plan.
            log_id: Which log.
            standing: Gives keys that sessions share their values back.
        """
        return LogWriter(
            plan.logs[log_id],
            self._log,
            self._codec,
            self.blobs,
            self._repository,
            self._fan_out,
            self._timers,
            standing,
        )


class _Run:
    """One import on its way."""

    def __init__(self, importer: Importer, plan: ImportPlan, standing: StandingKeys) -> None:
        self._importer = importer
        self._plan = plan
        self._standing = standing
        self._writers: dict[UUID, LogWriter] = {}
        self._finished: set[UUID] = set()
        self._events = 0

    @property
    def written(self) -> Written:
        """How far it has come."""
        return Written(len(self._finished), self._events)

    async def finish_at(self, log_id: UUID, gate: asyncio.Semaphore) -> None:
        """Write all of a log, when there is room for it."""
        async with gate:
            await self.finish(log_id)

    async def finish(self, log_id: UUID) -> None:
        """Write all of a log, and forget what was needed for that."""
        log = self._plan.logs[log_id]
        if log.is_there:
            return
        parent = self._plan.logs.get(log.parent) if log.parent is not None else None
        if parent is not None and not parent.start:
            # A child without any parent would be taken for an orphan.
            await self.advance(parent.header.session_id, 1)
        await self.advance(log_id, log.header.head)
        self._writers.pop(log_id, None)
        self._finished.add(log_id)

    async def advance(self, log_id: UUID, upto: int) -> None:
        """Write a log up to a sequence, and before it what it and its origins were forked from."""
        line: list[tuple[UUID, int]] = [(log_id, upto)]
        origin = self._plan.logs[log_id].origin
        while origin is not None and (log := self._plan.logs.get(origin[0])) is not None:
            if origin[0] in self._finished or log.start >= origin[1]:
                break
            line.append(origin)
            origin = log.origin
        for one, sequence in reversed(line):
            await self._write(one, sequence)

    async def _write(self, log_id: UUID, upto: int) -> None:
        if log_id in self._finished or self._plan.logs[log_id].is_there:
            return
        writer = self._writers.get(log_id)
        if writer is None:
            writer = self._writers[log_id] = self._importer.writer(
                self._plan, log_id, self._standing
            )
        # Others write beside it: the sum is taken when this is done.
        written = await writer.write(upto)
        self._events += written

    async def _inherit_blobs(self, log_id: UUID, done: set[UUID]) -> None:
        """Have a fork name what its origin does, which has first what it names by its own."""
        line: list[tuple[UUID, UUID]] = []
        while log_id not in done:
            done.add(log_id)
            log = self._plan.logs.get(log_id)
            if log is None or log.origin is None:
                break
            line.append((log_id, log.origin[0]))
            log_id = log.origin[0]
        for fork, origin in reversed(line):
            await self._importer.blobs.inherit(fork, origin)

    async def end(self) -> None:
        """Do what had to wait until all logs are written."""
        done: set[UUID] = set()
        for log_id in self._plan.logs:
            await self._inherit_blobs(log_id, done)
