"""Rebuilds all that is derived from the log, beside what is read, then puts it in its place.

```
every log, in the order of ids  ->  rebuilt rows, history, states      the server goes on writing
what was appended meanwhile     ->  the same, until little is left
                                    in one transaction, while nobody appends:
the rest, the comparison, the switch, and the comparison once more
```

Killed in the middle, it goes on after the last log that was put in. A verification does the same
and, instead of switching, compares at one moment, while the server goes on writing.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from itertools import groupby
from typing import NamedTuple
from uuid import UUID

from application.commands.repository import SessionRepository
from application.ports.log.codec import Codec
from application.ports.log.session_logs import SessionLogs
from application.ports.read_models.logged import LoggedEvent
from application.ports.read_models.made import Made
from application.ports.read_models.progress import (
    Difference,
    Ended,
    ErasedMeanwhile,
    RebuildProgress,
)
from application.ports.read_models.shadow import Shadow, Shadows
from application.ports.session.session_rows import RowLookup
from application.projections.log_folds import LogFold
from application.projections.session_row import PROJECTION_VERSION
from domain.session.state import FORMAT, Session
from domain.timers import Timers

_PROGRAM = f"{PROJECTION_VERSION}.{FORMAT}"
_BEFORE_ALL = UUID(int=0)
_AFTER_ALL = UUID(int=2**128 - 1)
_PUT_AT = 5000
"""Events of finished logs, or writes to shared keys, that are put in together."""
_LITTLE = 2000
"""Events that may be left for when nobody appends."""
_ROUNDS = 30
_TOLD = 20
"""Differences of each read model that are told."""


class Rebuilding(NamedTuple):
    """How far it is.

    Args:
        events: How many were read.
        expected: How many there were when it began.
    """

    events: int
    expected: int


class Rebuilt(NamedTuple):
    """What it came to.

    Args:
        events: How many were read.
        differences: What was not what the log says, of each read model the first ones.
        changed: How many rows were mended; 0 for a verification.
    """

    events: int
    differences: Sequence[Difference]
    changed: int


class StillDifferent(Exception):
    """What was switched still differs from the log; nothing was changed."""


class _NoKeptStates:
    """Kept states may be what is wrong: forks are folded from their origins' first events."""

    def __init__(self, most: int = 32) -> None:
        self._most = most
        self._loaded: dict[tuple[UUID, int], Session] = {}

    async def load(self, session_id: UUID, *, upto: int | None = None) -> Session | None:
        return self._loaded.get((session_id, upto or 0))

    def weigh(self, session: Session) -> int:  # noqa: ARG002 - of the port
        return 0

    async def save(self, session_id: UUID, session: Session) -> None:
        self._loaded[session_id, session.sequence] = session
        while len(self._loaded) > self._most:
            del self._loaded[next(iter(self._loaded))]


class ReadModels:
    """Rebuilds the read models of a store, or says whether they are what the log says.

    Args:
        log: What they follow from.
        codec: Reads it.
        rows: How far sessions have come.
        shadows: Where they are made anew.
        timers: How long turns may be silent or run: rows say when a session needs the clock.
    """

    def __init__(
        self, log: SessionLogs, codec: Codec, rows: RowLookup, shadows: Shadows, timers: Timers
    ) -> None:
        self._codec = codec
        self._shadows = shadows
        self._timers = timers
        self._repository = SessionRepository(log, codec, rows, _NoKeptStates())
        self._unfoldable: set[UUID] = set()

    async def run(self, *, verify: bool = False) -> AsyncGenerator[Rebuilding | Rebuilt]:
        """Yield how far it is, and at last what it came to.

        Args:
            verify: Change nothing of what is read.

        Raises:
            RebuildRuns: Another process does it.
            StillDifferent: The rebuilt rows are not what is read after the switch.
            StoreUnavailable: The store was lost; the next run goes on.
        """
        async with self._shadows.open() as shadow:
            while True:
                try:
                    async with aclosing(self._once(shadow, verify=verify)) as steps:
                        async for step in steps:
                            yield step
                except ErasedMeanwhile:
                    continue
                return

    async def _once(self, shadow: Shadow, *, verify: bool) -> AsyncGenerator[Rebuilding | Rebuilt]:
        self._unfoldable.clear()
        begun = await shadow.progress()
        if begun is not None and begun.program == _PROGRAM:
            await shadow.match_all()
        else:
            begun = await shadow.begin(_PROGRAM)
        events = begun.events
        async with aclosing(self._build(shadow, begun)) as reading:
            async for events in reading:
                yield Rebuilding(events, begun.began)
        reached, more = begun.began, 0
        for _ in range(_ROUNDS):
            reached, more = await self._catch_up(shadow, reached)
            events += more
            yield Rebuilding(events, reached)
            if more <= _LITTLE:
                break
        async with shadow.moment(alone=not verify):
            _, more = await self._catch_up(shadow, reached)
            differences = await shadow.differences(_TOLD)
            changed = 0 if verify else await shadow.switch()
            left = () if verify else await shadow.differences(_TOLD)
            if left:
                raise StillDifferent(left[0].detail)
        await shadow.forget()
        yield Rebuilt(events + more, differences, changed)

    async def _build(self, shadow: Shadow, begun: RebuildProgress) -> AsyncGenerator[int]:
        """Put in every log, and yield how many events were read so far."""
        before, made, fold = begun.events, Made(), None
        ended: Ended | None = None
        at = (begun.after, 2**62)
        while page := await shadow.logs(*at, last=_AFTER_ALL):
            at = (page[-1].log, page[-1].sequence)
            logs = list(dict.fromkeys(event.log for event in page))
            kept = await shadow.kept_states(logs)
            for log, events in groupby(page, lambda event: event.log):
                if fold is None or fold.log != log:
                    if fold is not None:
                        self._end(fold, made)
                        ended = Ended(fold.log, before + made.events)
                    fold = self._fold(shadow, log, kept=kept.get(log))
                await fold.take(list(events), made)
            is_much = ended is not None and ended.events - before >= _PUT_AT
            if is_much or len(made.history) >= _PUT_AT:
                await shadow.put(made, ended)
                before += made.events
                yield before
                made, ended = Made(), None
        if fold is not None:
            self._end(fold, made)
            ended = Ended(fold.log, before + made.events)
            await shadow.put(made, ended)
            yield ended.events

    async def _catch_up(self, shadow: Shadow, reached: int) -> tuple[int, int]:
        """Put in what came after a position up to now; return the position, and how much it was."""
        head, count = await shadow.head(), 0
        while reached < head and (page := await shadow.changes(reached)):
            reached, made = page[-1].position, Made()
            by_log: dict[UUID, list[LoggedEvent]] = {}
            for event in page:
                by_log.setdefault(event.log, []).append(event)
            bases = await shadow.bases(list(by_log))
            for log, events in by_log.items():
                sequence, state = bases.get(log, (0, None))
                new = [event for event in events if event.sequence > sequence]
                if new:
                    await self._go_on(shadow, log, new, state, made)
            await shadow.put(made, None)
            count += len(page)
        return reached, count

    async def _go_on(
        self,
        shadow: Shadow,
        log: UUID,
        events: Sequence[LoggedEvent],
        state: Session | None,
        made: Made,
    ) -> None:
        """Fold on from a state; without one the whole log, up to the last of the events."""
        fold = self._fold(shadow, log, base=state)
        if state is None and events[0].sequence > 1:
            before = 0
            while before < events[0].sequence - 1:
                page = await shadow.logs(log, before, last=log)
                if not page:
                    break
                known = [event for event in page if event.sequence < events[0].sequence]
                await fold.take(known, made)
                if fold.is_of_nobody:
                    return
                before = page[-1].sequence
        await fold.take(events, made)
        self._end(fold, made, keep_state=True)

    def _fold(
        self,
        shadow: Shadow,
        log: UUID,
        *,
        base: Session | None = None,
        kept: Mapping[int, Session] | None = None,
    ) -> LogFold:
        async def is_whole(origin: UUID, upto: int) -> bool:
            return origin not in self._unfoldable and await shadow.is_whole(origin, upto)

        return LogFold(
            log, self._codec, self._repository, is_whole, self._timers, base=base, kept=kept
        )

    def _end(self, fold: LogFold, made: Made, *, keep_state: bool = False) -> None:
        fold.end(made, keep_state=keep_state)
        if fold.is_unfoldable:
            self._unfoldable.add(fold.log)
