"""What commands that wait together come to: decided, encoded and chained, not yet written."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from application.errors import RecordTooLarge, StaleSequence
from application.listing import listed_differently, session_row, shared_writes
from application.load import Loaded
from application.ports import Append, Envelope, NewEvent, SharedWrite, Store, StoredAnswer
from application.request import Idempotency, Outcome, Request
from domain.chain import link
from domain.session.commands import CreateSession
from domain.session.decide import decide
from domain.session.events import ActivityEvent, PermissionDecided, Recorded, SessionEvent
from domain.session.evolve import evolve
from domain.session.state import Session


@dataclass(slots=True)
class Ticket:
    """A request that waits at a desk, and the promise of its outcome."""

    request: Request
    done: asyncio.Future[Outcome]


@dataclass(slots=True)
class Decision:
    """What a ticket came to: sequences before and after it and its answer, or why it is refused."""

    ticket: Ticket
    before: int = 0
    after: int = 0
    answer: Mapping[str, Any] = field(default_factory=dict[str, Any])
    refusal: Exception | None = None


@dataclass(slots=True)
class Plan:
    """An append, the states around it, and what each ticket gets once it is written."""

    append: Append
    before: Loaded
    after: Loaded
    decisions: list[Decision]


class Planner:
    """Makes plans.

    Args:
        store: Its codec and clock.
        largest: The most bytes of one record.
    """

    def __init__(self, store: Store, *, largest: int) -> None:
        self._store = store
        self._largest = largest

    def plan(self, session_id: UUID, loaded: Loaded, tickets: list[Ticket]) -> Plan:
        """Decide commands one after the other, each on the state that the ones before it leave.

        Args:
            session_id: Whose desk they wait at.
            loaded: The state before them.
            tickets: In the order in which they came.
        """
        now = self._store.clock.now()
        session, digest = loaded.session, loaded.digest
        events: list[NewEvent] = []
        shared: list[SharedWrite] = []
        keys: list[StoredAnswer] = []
        decisions: list[Decision] = []
        for ticket in tickets:
            request = ticket.request
            decision = Decision(ticket, before=session.sequence)
            decisions.append(decision)
            try:
                _require_expected(session, request)
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
            except Exception as refusal:  # noqa: BLE001 - its own answer, not that of all who wait
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
        return Plan(append, loaded, Loaded(session, digest, loaded.position), decisions)

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
        self, idempotency: Idempotency, session_id: UUID, decision: Decision, loaded: Loaded
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


def _require_expected(session: Session, request: Request) -> None:
    # What is not there at all is told so by its rule: a precondition is asked of what is there.
    asked = session.sequence > 0 or isinstance(request.command, CreateSession)
    if asked and request.expected is not None and session.sequence not in request.expected:
        raise StaleSequence(None, head=session.sequence)


def _turn_of(session: Session, event: SessionEvent) -> str | None:
    running = session.turns.running
    if isinstance(event, ActivityEvent | PermissionDecided):
        return running.turn_id if running else None
    return getattr(event, "turn_id", None)
