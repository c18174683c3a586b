"""What commands that wait together come to: decided, encoded and chained, not yet written."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from application.commands.answers import NOTHING, answer_of
from application.commands.idempotency import stored_answer
from application.commands.records import RecordEncoder
from application.commands.request import Request
from application.commands.session_queue import PendingCommand
from application.commands.states.loaded import Loaded
from application.errors import RecordTooLarge, StateTooLarge, require_sequence
from application.ports.access.seen_signatures import SignedRequest
from application.ports.clock import Clock
from application.ports.log.append import Append
from application.ports.log.codec import Codec
from application.ports.log.events import NewEvent
from application.ports.session.idempotency import StoredAnswer
from application.ports.session.shared_state import SharedWrite
from application.projections.session_document import activity_of
from application.projections.session_row import listed_differently, session_row
from application.projections.shared_state import require_own, shared_writes
from domain.log.chain import genesis, link, record_hash
from domain.session.commands import RecordActivity
from domain.session.decide import companions, decide
from domain.session.declarations import Companion
from domain.session.events import ActivityEvent, Recorded, SessionEvent
from domain.session.evolve import evolve
from domain.session.room import makes_room, most_kept
from domain.session.state import ABSENT, Session
from domain.session.turn_of import turn_of
from domain.timers import Timers

_AT_ONCE = 128  # events after which others have their turn: a stop may close thousands of calls


@dataclass(slots=True)
class Decided:
    """What a command came to: sequences before and after it, its answer or why it is refused.

    `begun` are the other sessions that begin in the same append.
    """

    pending: PendingCommand
    before: int
    answer: Mapping[str, Any]
    after: int = 0
    refusal: Exception | None = None
    begun: Sequence[UUID] = ()


@dataclass(slots=True)
class _Draft:
    """What a command came to, before it joins the append."""

    session: Session
    digest: bytes
    decided: Sequence[SessionEvent]
    size: int
    """The most bytes that it adds to the state."""
    events: list[NewEvent]
    shared: list[SharedWrite]


@dataclass(slots=True)
class DecidedBatch:
    """An append, the states around it, and what each command gets once it is written.

    `left` are commands that cannot be decided before the state that it leaves is weighed.
    """

    append: Append
    before: Loaded
    after: Loaded
    decisions: list[Decided]
    left: list[PendingCommand]


class _NotWeighed(Exception):
    """Whether there is room for a command is not known before the state is weighed."""


class BatchDecider:
    """Decides commands that wait together.

    Args:
        codec: Writes records, rows and answers.
        clock: Tells when commands are decided.
        largest: The most bytes of one record.
        largest_state: The most bytes of a session's state; beyond, only what makes room is taken.
        timers: How long turns may be silent or run.
    """

    def __init__(
        self, codec: Codec, clock: Clock, *, largest: int, largest_state: int, timers: Timers
    ) -> None:
        self._codec = codec
        self._clock = clock
        self._largest_state = largest_state
        self._encode = RecordEncoder(codec, clock, largest=largest)
        self._timers = timers

    async def decide(
        self, session_id: UUID, loaded: Loaded, batch: list[PendingCommand]
    ) -> DecidedBatch:
        """Decide commands one after the other, each on the state that the ones before it leave.

        Args:
            session_id: Which session they wait for.
            loaded: The state before them.
            batch: In the order in which they came.
        """
        now = self._clock.now()
        session, digest = loaded.session, loaded.digest
        after = Loaded(session, digest, loaded.position, 0, loaded.written, loaded.weighed)
        events: list[NewEvent] = []
        append = Append(session_id, session.sequence, events, now)
        shared: list[SharedWrite] = []
        keys: list[StoredAnswer] = []
        signatures: list[SignedRequest] = []
        begun: list[Append] = []
        decisions: list[Decided] = []
        left: list[PendingCommand] = []
        for pending in batch:
            # From here on it cannot be given up: its caller would be told that nothing was stored.
            pending.is_begun = True
        for pending in batch:
            request = pending.request
            decision = Decided(pending, session.sequence, NOTHING)
            decisions.append(decision)
            try:
                made = self._decide(request, session, digest, now, len(events))
                if len(made.events) < len(made.decided):
                    await self._record_the_rest(made, request, now, len(events))
                self._require_room(request, made, after)
                beginning = companions(session, request.command) if made.events else ()
                others = await self._begin(request, beginning, now) if beginning else []
                told = others[0][1] if others else made.session
                decision.answer = answer_of(request, told, made.decided)
            except _NotWeighed:
                del decisions[-1]
                left += batch[len(decisions) :]
                break
            except Exception as refusal:  # noqa: BLE001 - its own answer, not that of all who wait
                decision.refusal = refusal
                continue
            session, digest = made.session, made.digest
            after.written += made.size
            events += made.events
            shared += made.shared
            if others:
                begun += (other for other, _ in others)
                decision.begun = [other.session_id for other, _ in others]
            decision.after = session.sequence
            if request.signed is not None:
                signatures.append(request.signed)
            if request.idempotency is not None:
                keys.append(
                    stored_answer(
                        request,
                        request.idempotency,
                        before=decision.before,
                        after=decision.after,
                        position=loaded.position,
                        answer=decision.answer,
                        codec=self._codec,
                    )
                )
        append.shared, append.keys, append.companions = shared, keys, begun
        append.signatures = signatures
        append.activity = activity_of(session)
        append.app = session.lifecycle.owner.app
        # An erasure goes through even if the log is held by an import or a quarantine.
        append.by_import = bool(events) and session.lifecycle.phase == "erased"
        if events and listed_differently(loaded.session, session):
            append.row = session_row(session_id, session, self._codec, self._timers)
        for decision in decisions:
            decision.pending.is_begun = bool(events or keys or signatures)
        for pending in left:
            pending.put_back()
        after.session, after.digest = session, digest
        return DecidedBatch(append, loaded, after, decisions, left)

    def _require_room(self, request: Request, made: _Draft, before: Loaded) -> None:
        """Refuse a command that would add to a state that is as large as it may be.

        Args:
            request: The command.
            made: What it came to.
            before: The state before it.

        Raises:
            StateTooLarge: It would.
            _NotWeighed: It may, depending on how much of what was written is still held.
        """
        most = self._largest_state
        if before.weight + made.size <= most or not made.events or makes_room(request.command):
            return
        weighed = before.weighed.size
        written = before.weight - weighed
        if written > most // 16 or (written and weighed + made.size > most):
            raise _NotWeighed
        if weighed + made.size > most:
            raise StateTooLarge(None, size=weighed, limit=most)

    def _decide(
        self, request: Request, session: Session, digest: bytes, now: datetime, offset: int
    ) -> _Draft:
        """Decide one command, and make what it came to ready to be written, or the first of it.

        Args:
            request: The command.
            session: The state before it.
            digest: Of the last event before it.
            now: The time.
            offset: How many events of the append come before its own.
        """
        if request.expected is not None:
            _require_expected(session, request)
        inherited = 0
        if request.inherits is not None and not session.sequence:
            session, inherited = request.inherits, request.inherits_bytes
        draft = _Draft(session, digest, decide(session, request.command), inherited, [], [])
        self._record(draft, request, now, offset)
        return draft

    def _record(self, draft: _Draft, request: Request, now: datetime, offset: int) -> None:
        """Make the next events ready to be written, as many as may be at once.

        Args:
            draft: What a command came to.
            request: The command.
            now: The time.
            offset: How many events of the append come before its own.
        """
        named, done = request.command.turn_ids, len(draft.events)
        for number, event in enumerate(draft.decided[done : done + _AT_ONCE], done):
            turn_id = named[number] if number < len(named) else turn_of(draft.session, event)
            recorded = Recorded(draft.session.sequence + 1, now, event, turn_id)
            try:
                name, record = self._encode(request, now, event, turn_id)
            except RecordTooLarge as refused:
                if isinstance(request.command, RecordActivity):
                    before = draft.decided[:number]
                    refused.facts["index"] = sum(isinstance(e, ActivityEvent) for e in before)
                raise
            draft.size += most_kept(event, len(record))
            draft.digest = link(draft.digest, record_hash(record))
            draft.session = evolve(draft.session, recorded)
            owner = draft.session.lifecycle.owner
            at = offset + number
            shared = shared_writes(owner.app, owner.user, event, at, self._codec)
            if shared and not request.shares:
                require_own(shared)
            draft.shared += shared
            draft.events.append(NewEvent(name, record, draft.digest))

    async def _record_the_rest(
        self, draft: _Draft, request: Request, now: datetime, offset: int
    ) -> None:
        while len(draft.events) < len(draft.decided):
            await asyncio.sleep(0)
            self._record(draft, request, now, offset)

    async def _begin(
        self, request: Request, beginning: Sequence[Companion], now: datetime
    ) -> list[tuple[Append, Session]]:
        """Return what begins other sessions together with a command, and the state of each."""
        begun: list[tuple[Append, Session]] = []
        for other_id, command in beginning:
            asked = Request(
                other_id,
                command,
                request.actor,
                request.origin,
                None,
                request.causation,
                claimed=request.claimed,
                shares=request.shares,
            )
            made = self._decide(asked, ABSENT, genesis(other_id), now, 0)
            await self._record_the_rest(made, asked, now, 0)
            append = Append(other_id, 0, made.events, now)
            append.row = session_row(other_id, made.session, self._codec, self._timers)
            begun.append((append, made.session))
        return begun


def _require_expected(session: Session, request: Request) -> None:
    # For a missing session the rule answers 404, not If-Match 412.
    if session.sequence > 0 or request.command.begins:
        require_sequence(session.sequence, request.expected)
