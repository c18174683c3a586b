"""How a command becomes events.

    command → desk of its session → state → decide → encode, chain → append → evolve → wake → answer

Commands to one session take turns at its desk. Those that wait together are decided one after the
other and appended together, each still accepted or refused by itself. The states of recently used
sessions are kept; another process that writes to the same session makes the append conflict, and
the commands are decided again on what it wrote. This is the only place that retries.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from application.errors import (
    Busy,
    IdempotencyKeyInFlight,
    IdempotencyKeyReused,
    KeysTaken,
    RecordTooLarge,
    StaleSequence,
    VersionConflict,
)
from application.listing import listed_differently, session_row, shared_writes
from application.live import Hub
from application.ports import Append, Envelope, NewEvent, SharedWrite, Store, StoredAnswer
from domain.chain import genesis, link
from domain.errors import DomainError
from domain.session.commands import Command
from domain.session.decide import decide
from domain.session.events import ActivityEvent, PermissionDecided, Recorded, SessionEvent
from domain.session.evolve import evolve
from domain.session.state import ABSENT, Session

_ATTEMPTS = 50
_TOGETHER = 128
_PAGE = 1000
_SNAPSHOT_EVERY = 500

Answer = Callable[[Session], Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Idempotency:
    """A client's idempotency key.

    Args:
        scope: The session, or nil for a request that makes one.
        key: As the client sent it.
        fingerprint: SHA-256 of the request.
    """

    scope: UUID
    key: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A command with what is known about who asks.

    Args:
        session_id: To which session.
        command: What is asked.
        actor: Who asks.
        origin: Through which door.
        expected: The sequences that the caller allows, from If-Match; None allows any.
        causation: Why.
        idempotency: The client's key.
        answer: What the command produced, given the state after it.
    """

    session_id: UUID
    command: Command
    actor: str
    origin: str = "http"
    expected: frozenset[int] | None = None
    causation: str | None = None
    idempotency: Idempotency | None = None
    answer: Answer = field(default=lambda _: {})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an accepted command.

    Args:
        session_id: The session it made or changed.
        first_sequence: The first event it made; beyond `sequence` when it made none.
        sequence: The sequence of the session after it.
        position: The position of its last event.
        answer: What it produced.
        replayed: The answer is the stored one of an earlier request with the same key.
        changed: It made an event.
    """

    session_id: UUID
    first_sequence: int
    sequence: int
    position: int
    answer: Mapping[str, Any]
    replayed: bool = False

    @property
    def changed(self) -> bool:
        """Whether the command made an event."""
        return self.first_sequence <= self.sequence


@dataclass(slots=True)
class Loaded:
    """A session's state and the end of its log."""

    session: Session
    digest: bytes
    position: int


@dataclass(slots=True)
class _Ticket:
    request: Request
    done: asyncio.Future[Outcome]


@dataclass(slots=True)
class _Decision:
    ticket: _Ticket
    before: int = 0
    after: int = 0
    answer: Mapping[str, Any] = field(default_factory=dict[str, Any])
    refusal: Exception | None = None


@dataclass(slots=True)
class _Plan:
    append: Append
    after: Loaded
    decisions: list[_Decision]


@dataclass(slots=True)
class _Desk:
    loaded: Loaded | None = None
    waiting: list[_Ticket] = field(default_factory=list[_Ticket])
    busy: bool = False


class Handler:
    """Handles commands.

    Args:
        store: Where events go.
        hub: Who hears of them.
        kept: How many sessions' states are kept in memory.
        waiting: The most commands that wait at one desk.
        largest: The most bytes of one record.
    """

    def __init__(
        self,
        store: Store,
        hub: Hub,
        *,
        kept: int = 4096,
        waiting: int = 1000,
        largest: int = 1024 * 1024,
    ) -> None:
        self._store = store
        self._hub = hub
        self._kept = kept
        self._most_waiting = waiting
        self._largest = largest
        self._desks: OrderedDict[UUID, _Desk] = OrderedDict()
        self._in_flight: set[tuple[UUID, str]] = set()
        self._chores: set[asyncio.Task[None]] = set()

    async def handle(self, request: Request) -> Outcome:
        """Do what is asked, durably, or raise and leave no trace.

        Args:
            request: The command and who asks.

        Raises:
            DomainError: A rule refuses it.
            ApplicationError: It cannot be done now, or not in this way.
        """
        idempotency = request.idempotency
        if idempotency is None:
            return await self._queue(request)
        key = (idempotency.scope, idempotency.key)
        if key in self._in_flight:
            raise IdempotencyKeyInFlight
        self._in_flight.add(key)
        try:
            return await self._queue(request)
        finally:
            self._in_flight.discard(key)

    async def load(self, session_id: UUID) -> Loaded:
        """Return a session's newest state: the kept one if the log has not moved on."""
        row = await self._store.read_models.session(session_id)
        if row is None:
            return Loaded(ABSENT, genesis(session_id), 0)
        desk = self._desk(session_id)
        if desk.loaded is not None and desk.loaded.session.sequence >= row.sequence:
            return desk.loaded
        loaded = await self._fold(session_id, desk.loaded)
        if not desk.busy:
            desk.loaded = loaded
        return loaded

    async def check(self, session_id: UUID, command: Command) -> int:
        """Have a command decided without recording anything, and return the session's sequence.

        Args:
            session_id: To which session.
            command: What is asked.

        Raises:
            DomainError: A rule refuses it.
        """
        # What is kept may be behind another process.
        session = (await self.load(session_id)).session
        decide(session, command)
        return session.sequence

    async def load_at(self, session_id: UUID, sequence: int) -> Loaded:
        """Return the state as it was after a past event."""
        return await self._fold(session_id, None, upto=sequence)

    async def _queue(self, request: Request) -> Outcome:
        desk = self._desk(request.session_id)
        if len(desk.waiting) >= self._most_waiting:
            raise Busy
        ticket = _Ticket(request, asyncio.get_running_loop().create_future())
        if desk.busy:
            desk.waiting.append(ticket)
        else:
            # Whoever finds the desk free serves itself; a task would double the cost of waiting.
            desk.busy = True
            await self._serve(request.session_id, desk, [ticket])
        return await ticket.done

    def _desk(self, session_id: UUID) -> _Desk:
        desk = self._desks.get(session_id)
        if desk is None:
            desk = self._desks[session_id] = _Desk()
            if len(self._desks) > self._kept:
                self._forget_the_oldest()
        else:
            self._desks.move_to_end(session_id)
        return desk

    def _forget_the_oldest(self) -> None:
        for session_id, desk in self._desks.items():
            if not desk.busy:
                del self._desks[session_id]
                return

    async def _serve(self, session_id: UUID, desk: _Desk, tickets: list[_Ticket]) -> None:
        """Serve those at the desk, then leave it to a task if others have come meanwhile."""
        try:
            await self._serve_together(session_id, desk, tickets)
        except Exception as error:  # noqa: BLE001 - it is the answer of those who wait
            desk.loaded = None
            _refuse(tickets, error)
        finally:
            # A client that hung up, and was served by its own request, may have interrupted this.
            unserved = [ticket for ticket in tickets if not ticket.done.done()]
            if unserved:
                desk.loaded = None
            desk.waiting[:0] = unserved
            if desk.waiting:
                tickets, desk.waiting = desk.waiting[:_TOGETHER], desk.waiting[_TOGETHER:]
                self._do(self._serve(session_id, desk, tickets))
            else:
                desk.busy = False

    async def _serve_together(self, session_id: UUID, desk: _Desk, tickets: list[_Ticket]) -> None:
        for _ in range(_ATTEMPTS):
            if desk.loaded is None:
                desk.loaded = await self._fold(session_id, None)
            plan = self._plan(session_id, desk.loaded, tickets)
            append = plan.append
            if append.events or append.keys:
                try:
                    position = await self._store.log.append(append)
                except VersionConflict:
                    desk.loaded = await self._fold(session_id, desk.loaded)
                    continue
                except KeysTaken as taken:
                    tickets = await self._answer_the_repeated(tickets, taken.keys)
                    continue
                if append.events:
                    plan.after.position = position
                    self._hub.publish(session_id, append, position)
                    self._keep_snapshot(session_id, desk.loaded.session, plan.after.session)
            desk.loaded = plan.after
            for decision in plan.decisions:
                await self._settle(session_id, decision, plan.after)
            return
        raise Busy("too many processes write to this session at once; try again")

    def _plan(self, session_id: UUID, loaded: Loaded, tickets: list[_Ticket]) -> _Plan:
        """Decide commands one after the other, each on the state that the ones before it leave."""
        now = self._store.clock.now()
        session, digest = loaded.session, loaded.digest
        events: list[NewEvent] = []
        shared: list[SharedWrite] = []
        keys: list[StoredAnswer] = []
        decisions: list[_Decision] = []
        for ticket in tickets:
            request = ticket.request
            decision = _Decision(ticket, before=session.sequence)
            decisions.append(decision)
            try:
                if request.expected is not None and session.sequence not in request.expected:
                    raise StaleSequence(None, head=session.sequence)
                decided = decide(session, request.command)
                made: list[NewEvent] = []
                written: list[SharedWrite] = []
                after, end = session, digest
                for event in decided:
                    recorded = Recorded(after.sequence + 1, now, event, _turn_of(after, event))
                    name, record = self._encode(request, recorded)
                    end = link(end, record)
                    after = evolve(after, recorded)
                    offset = len(events) + len(made)
                    owner = after.lifecycle.owner
                    written += shared_writes(owner, event, offset, self._store.codec)
                    made.append(NewEvent(name, record, end))
                decision.answer = request.answer(after)
            except (DomainError, StaleSequence, RecordTooLarge) as refusal:
                decision.refusal = refusal
                continue
            session, digest = after, end
            events += made
            shared += written
            decision.after = session.sequence
            if request.idempotency is not None:
                keys.append(self._kept_answer(request.idempotency, session_id, decision, loaded))
        append = Append(session_id, loaded.session.sequence, events, now)
        append.shared, append.keys = shared, keys
        if events and listed_differently(loaded.session, session):
            append.row = session_row(session_id, session, self._store.codec)
        return _Plan(append, Loaded(session, digest, loaded.position), decisions)

    def _encode(self, request: Request, recorded: Recorded) -> tuple[str, bytes]:
        envelope = Envelope(
            self._store.clock.new_id(),
            recorded.at,
            request.actor,
            request.origin,
            recorded.turn_id,
            request.causation,
            request.idempotency.key if request.idempotency else None,
        )
        name, record = self._store.codec.encode(recorded.event, envelope)
        if len(record) > self._largest:
            raise RecordTooLarge(
                f"a {name} event of {len(record)} bytes; at most {self._largest}",
                size=len(record),
                limit=self._largest,
            )
        return name, record

    def _kept_answer(
        self, idempotency: Idempotency, session_id: UUID, decision: _Decision, loaded: Loaded
    ) -> StoredAnswer:
        answer = {"first_sequence": decision.before + 1, "answer": decision.answer}
        return StoredAnswer(
            idempotency.scope,
            idempotency.key,
            idempotency.fingerprint,
            session_id,
            decision.after,
            loaded.position,
            self._store.codec.to_json(answer),
        )

    async def _settle(self, session_id: UUID, decision: _Decision, after: Loaded) -> None:
        ticket = decision.ticket
        if ticket.done.done():
            return
        if decision.refusal is not None:
            try:
                replayed = await self._replay(ticket.request)
            except Exception as error:  # noqa: BLE001 - it is this caller's answer, not the desk's
                ticket.done.set_exception(error)
                return
            if replayed is None:
                ticket.done.set_exception(decision.refusal)
            else:
                ticket.done.set_result(replayed)
            return
        position = after.position - (after.session.sequence - decision.after)
        ticket.done.set_result(
            Outcome(session_id, decision.before + 1, decision.after, position, decision.answer)
        )

    async def _answer_the_repeated(
        self, tickets: list[_Ticket], keys: frozenset[str]
    ) -> list[_Ticket]:
        """Answer the requests whose keys are stored, and return the others."""
        others: list[_Ticket] = []
        for ticket in tickets:
            idempotency = ticket.request.idempotency
            if idempotency is None or idempotency.key not in keys:
                others.append(ticket)
                continue
            try:
                replayed = await self._replay(ticket.request)
            except Exception as error:  # noqa: BLE001 - it is this caller's answer, not the desk's
                _refuse([ticket], error)
                continue
            if replayed is None:
                others.append(ticket)
            elif not ticket.done.done():
                ticket.done.set_result(replayed)
        return others

    async def _replay(self, request: Request) -> Outcome | None:
        """Return the stored answer of an earlier request with the same key, if there was one."""
        idempotency = request.idempotency
        if idempotency is None:
            return None
        stored = await self._store.read_models.answer(idempotency.scope, idempotency.key)
        if stored is None:
            return None
        if stored.fingerprint != idempotency.fingerprint:
            raise IdempotencyKeyReused
        kept = self._store.codec.from_json(stored.answer)
        return Outcome(
            stored.session_id,
            kept["first_sequence"],
            stored.sequence,
            stored.position,
            kept["answer"],
            replayed=True,
        )

    async def _fold(
        self, session_id: UUID, start: Loaded | None, *, upto: int | None = None
    ) -> Loaded:
        """Return the state after the log, from a known state or else from a kept one."""
        if start is None:
            kept = await self._store.snapshots.load(session_id, upto=upto)
            start = Loaded(kept or ABSENT, b"", 0)
        # The last event before the start is read again for the digest that the next one follows.
        session, after = start.session, max(start.session.sequence - 1, 0)
        digest, position = genesis(session_id), 0
        while True:
            page = await self._store.log.read(session_id, after=after, upto=upto, limit=_PAGE)
            for stored in page:
                if stored.sequence > session.sequence:
                    session = evolve(session, self._store.codec.decode(stored))
            if page:
                after, digest, position = page[-1].sequence, page[-1].digest, page[-1].position
            if len(page) < _PAGE:
                return Loaded(session, digest, position)

    def _keep_snapshot(self, session_id: UUID, before: Session, after: Session) -> None:
        if before.sequence // _SNAPSHOT_EVERY == after.sequence // _SNAPSHOT_EVERY:
            return

        self._do(self._store.snapshots.save(session_id, after))

    def _do(self, chore: Coroutine[Any, Any, None]) -> None:
        """Have something done that nobody waits for."""
        task = asyncio.create_task(chore)
        self._chores.add(task)
        task.add_done_callback(self._forget_chore)

    def _forget_chore(self, task: asyncio.Task[None]) -> None:
        self._chores.discard(task)
        if not task.cancelled():
            task.exception()  # a state that was not kept costs a longer fold, nothing else


def _turn_of(session: Session, event: SessionEvent) -> str | None:
    running = session.turns.running
    if isinstance(event, ActivityEvent | PermissionDecided):
        return running.turn_id if running else None
    return getattr(event, "turn_id", None)


def _refuse(tickets: list[_Ticket], error: BaseException) -> None:
    for ticket in tickets:
        if ticket.done.done():
            continue
        if isinstance(error, asyncio.CancelledError):
            ticket.done.cancel()
        else:
            ticket.done.set_exception(error)
