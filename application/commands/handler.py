"""How a command becomes events.

    command → desk of its session → state → decide → encode, chain → append → evolve → wake → answer

Commands to one session take turns at its desk. Those that wait together are decided one after the
other and appended together, each still accepted or refused by itself. The states of recently used
sessions are kept; another process that writes to the same session makes the append conflict, and
the commands are decided again on what it wrote. This is the only place that retries.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from application.commands.decide_batch import BatchDecider, Decided, DecidedBatch, PendingCommand
from application.commands.hooks import Hooks
from application.commands.repository import Loaded, Loader
from application.commands.request import Outcome, Request
from application.errors import (
    ApplicationError,
    Busy,
    IdempotencyKeyInFlight,
    IdempotencyKeyReused,
    KeysTaken,
    ScopeMoved,
    VersionConflict,
)
from application.fan_out import FanOut
from application.ports.store import Append, Store
from domain.chain import genesis
from domain.errors import DomainError, SessionExists
from domain.session.commands import Command, SpawnSession, StopSession
from domain.session.decide import decide
from domain.session.lineage import PARENT_STOPPED, children_that_go_along, counted
from domain.session.state import ABSENT, Session
from domain.values import Timers

_ATTEMPTS = 50
_TOGETHER = 128
_SNAPSHOT_EVERY = 500
_ENDED = frozenset({"stopped", "deleted"})


@dataclass(slots=True)
class _CommandQueue:
    loaded: Loaded | None = None
    waiting: list[PendingCommand] = field(default_factory=list[PendingCommand])
    busy: bool = False


class CommandHandler:
    """Handles commands.

    Args:
        store: Where events go.
        hub: Who hears of them.
        kept: How many sessions' states are kept in memory.
        waiting: The most commands that wait at one desk.
        largest: The most bytes of one record.
        timers: How long turns may be silent or run.
        hooks: Who is asked before a command is decided.
    """

    def __init__(
        self,
        store: Store,
        hub: FanOut,
        *,
        kept: int = 4096,
        waiting: int = 1000,
        largest: int = 1024 * 1024,
        timers: Timers | None = None,
        hooks: Hooks | None = None,
    ) -> None:
        self._store = store
        self._hub = hub
        self._kept = kept
        self._most_waiting = waiting
        self._hooks = hooks or Hooks()
        self._loader = Loader(store)
        self._planner = BatchDecider(store, largest=largest, timers=timers or Timers())
        self._desks: OrderedDict[UUID, _CommandQueue] = OrderedDict()
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
        if self._hooks:
            try:
                request = await self._hooks.before(request)
            except ApplicationError:
                # What was done before they said no, stays done.
                done = await self.replay(request) or await self._already_so(request)
                if done is None:
                    raise
                return done
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
        loaded = await self._loader.load(session_id, desk.loaded)
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
        """Return the state as it was after an event.

        Args:
            session_id: Whose.
            sequence: The event; the log has come to it.
        """
        desk = self._desks.get(session_id)
        kept = desk.loaded if desk is not None else None
        # What is kept of a fork does not say how many other logs stand behind it.
        if (
            kept is not None
            and kept.session.sequence == sequence
            and kept.session.lifecycle.forked_from is None
        ):
            return kept
        return await self._loader.load(session_id, None, upto=sequence)

    async def _queue(self, request: Request) -> Outcome:
        desk = self._desk(request.session_id)
        if len(desk.waiting) >= self._most_waiting:
            raise Busy
        ticket = PendingCommand(request, asyncio.get_running_loop().create_future())
        if desk.busy:
            desk.waiting.append(ticket)
        else:
            # Whoever finds the desk free serves itself; a task would double the cost of waiting.
            desk.busy = True
            await self._serve(request.session_id, desk, [ticket])
        return await ticket.done

    def _desk(self, session_id: UUID) -> _CommandQueue:
        desk = self._desks.get(session_id)
        if desk is None:
            desk = self._desks[session_id] = _CommandQueue()
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

    async def _serve(
        self, session_id: UUID, desk: _CommandQueue, tickets: list[PendingCommand]
    ) -> None:
        """Serve those at the desk, then leave it to a task if others have come meanwhile."""
        try:
            if any(ticket.request.expected_scopes for ticket in tickets):
                # What one of them expects is not there for all of them.
                await self._serve_apart(session_id, desk, tickets)
            else:
                await self._serve_together(session_id, desk, tickets)
        except Exception as error:  # noqa: BLE001 - it is the answer of those who wait
            desk.loaded = None
            _refuse(tickets, error)
        except asyncio.CancelledError:
            # Whether it was written is not known here any more: it must not be written again.
            desk.loaded = None
            _refuse(tickets, asyncio.CancelledError())
            raise
        finally:
            if desk.waiting:
                tickets, desk.waiting = desk.waiting[:_TOGETHER], desk.waiting[_TOGETHER:]
                self._do(self._serve(session_id, desk, tickets))
            else:
                desk.busy = False

    async def _serve_apart(
        self, session_id: UUID, desk: _CommandQueue, tickets: list[PendingCommand]
    ) -> None:
        for ticket in tickets:
            try:
                await self._serve_together(session_id, desk, [ticket])
            except ScopeMoved as moved:
                _refuse([ticket], moved)

    async def _serve_together(
        self, session_id: UUID, desk: _CommandQueue, tickets: list[PendingCommand]
    ) -> None:
        for _ in range(_ATTEMPTS):
            if desk.loaded is None:
                desk.loaded = await self._loader.load(session_id, None)
            # Who has hung up while waiting is not recorded behind its own back.
            tickets = [ticket for ticket in tickets if not ticket.done.done()]
            plan = self._planner.plan(session_id, desk.loaded, tickets)
            append = plan.append
            if not append.events and not await self._is_newest(session_id, desk.loaded):
                desk.loaded = await self._loader.load(session_id, desk.loaded)
                continue
            if append.events or append.keys:
                try:
                    position = await self._store.log.append(append)
                except VersionConflict as conflict:
                    tickets = _without_taken_children(session_id, tickets, conflict)
                    desk.loaded = await self._loader.load(session_id, desk.loaded)
                    continue
                except KeysTaken as taken:
                    tickets = await self._answer_the_repeated(tickets, taken.keys)
                    continue
                if append.events:
                    plan.after.position = position
                    self._publish(append, position)
                    self._keep_snapshot(session_id, desk.loaded.session, plan.after.session)
                    self._tell_family(session_id, desk.loaded.session, plan.after.session)
            desk.loaded = plan.after
            for decision in plan.decisions:
                await self._settle(session_id, decision, plan)
            return
        raise Busy("too many processes write to this session at once; try again")

    def _publish(self, append: Append, position: int) -> None:
        self._hub.publish(append.session_id, append, position)
        for companion in append.companions:
            position += len(companion.events)
            self._hub.publish(companion.session_id, companion, position)

    def _tell_family(self, session_id: UUID, before: Session, after: Session) -> None:
        """Have its parent count a session that has just ended or was resumed, and its children end.

        Nobody waits for it. Should the process die first, the next spawn finds out
        (`application/use_cases/lineage.py`), and so does the supervisor
        (`application/upkeep/supervision.py`).
        """
        phase, lineage = after.lifecycle.phase, after.lifecycle.lineage
        if phase == before.lifecycle.phase or not {phase, before.lifecycle.phase} & _ENDED:
            return
        if lineage is not None:
            self._do(self._queue_quietly(lineage.parent_id, counted(session_id, after)))
        if phase not in _ENDED:
            return
        for child_id in children_that_go_along(after):
            stop = StopSession(cause="user_requested", detail=PARENT_STOPPED)
            self._do(self._queue_quietly(child_id, stop))

    async def _queue_quietly(self, session_id: UUID, command: Command) -> None:
        await self._queue(Request(session_id, command, actor="system", origin="lineage"))

    async def _is_newest(self, session_id: UUID, loaded: Loaded) -> bool:
        """Return whether no other process has moved on: only then may a state refuse anything.

        An append needs no such question: it is refused itself when the state was not the newest.
        """
        row = await self._store.read_models.session(session_id)
        return loaded.session.sequence == (row.sequence if row else 0)

    async def _settle(self, session_id: UUID, decision: Decided, plan: DecidedBatch) -> None:
        ticket = decision.ticket
        if ticket.done.done():
            return
        if decision.refusal is not None:
            try:
                replayed = await self.replay(ticket.request)
            except Exception as error:  # noqa: BLE001 - it is this caller's answer, not the desk's
                ticket.done.set_exception(error)
                return
            if replayed is None:
                ticket.done.set_exception(decision.refusal)
            else:
                ticket.done.set_result(replayed)
            return
        position = plan.before.position
        if decision.after > plan.before.session.sequence:
            position = plan.after.position - (plan.after.session.sequence - decision.after)
        ticket.done.set_result(
            Outcome(session_id, decision.before + 1, decision.after, position, decision.answer)
        )

    async def _answer_the_repeated(
        self, tickets: list[PendingCommand], keys: frozenset[str]
    ) -> list[PendingCommand]:
        """Answer the requests whose keys are stored, and return the others."""
        others: list[PendingCommand] = []
        for ticket in tickets:
            idempotency = ticket.request.idempotency
            if idempotency is None or idempotency.key not in keys:
                others.append(ticket)
                continue
            try:
                replayed = await self.replay(ticket.request)
            except Exception as error:  # noqa: BLE001 - it is this caller's answer, not the desk's
                _refuse([ticket], error)
                continue
            if replayed is None:
                others.append(ticket)
            elif not ticket.done.done():
                ticket.done.set_result(replayed)
        return others

    async def replay(self, request: Request) -> Outcome | None:
        """Return the stored answer of an earlier request with the same key, if there was one.

        Args:
            request: Whose key.

        Raises:
            IdempotencyKeyReused: The earlier request was another one.
        """
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

    async def _already_so(self, request: Request) -> Outcome | None:
        """Return the outcome of a request that changes nothing; None when it would."""
        if request.expected is not None or request.expected_scopes:
            return None
        loaded = await self.load(request.session_id)
        session = loaded.session
        try:
            if decide(session, request.command):
                return None
        except DomainError:
            return None
        answer = request.answer(session, [])
        return Outcome(
            request.session_id, session.sequence + 1, session.sequence, loaded.position, answer
        )

    def _keep_snapshot(self, session_id: UUID, before: Session, after: Session) -> None:
        # Further apart the longer the log is: all kept states together then stay in proportion to
        # it, and what a cold session folds stays within an eighth of its history.
        step = max(_SNAPSHOT_EVERY, (1 << after.sequence.bit_length()) // 16)
        if before.sequence // step == after.sequence // step:
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


def _without_taken_children(
    session_id: UUID, tickets: list[PendingCommand], conflict: VersionConflict
) -> list[PendingCommand]:
    """Refuse the spawn whose child would have the id of another session, and return the others."""
    at_fault = conflict.facts.get("session_id")
    if at_fault is None or at_fault == str(session_id):
        return tickets
    others: list[PendingCommand] = []
    for ticket in tickets:
        command = ticket.request.command
        if isinstance(command, SpawnSession) and str(command.child_id) == at_fault:
            _refuse([ticket], SessionExists("another session has the id of this child"))
        else:
            others.append(ticket)
    return others


def _refuse(tickets: list[PendingCommand], error: BaseException) -> None:
    for ticket in tickets:
        if ticket.done.done():
            continue
        if isinstance(error, asyncio.CancelledError):
            ticket.done.cancel()
        else:
            ticket.done.set_exception(error)
