"""What is allowed with requests that wait for a person: asked once, decided exactly once."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.checks import require_id, require_name
from domain.errors import (
    InteractionDecided,
    InteractionExists,
    InteractionExpired,
    InteractionNotFound,
    LimitReached,
    WrongInteraction,
)
from domain.replacing import replace
from domain.session.declarations import Command, decides
from domain.session.events import (
    ElicitationAnswered,
    PermissionDecided,
    Recorded,
    SessionEvent,
    SessionRecovered,
)
from domain.session.guards import INACTIVE, require_active, require_present
from domain.session.state import Changes, Session
from domain.session.work import Interaction, Interactions
from domain.values import Identity

__all__ = ["CancelInteraction"]


MAX_PENDING = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelInteraction(Command):
    """Take a request back, on behalf of the agent."""

    request_id: Identity[str]
    reason: str = "withdrawn"


@decides(
    CancelInteraction,
    refuses=(
        *INACTIVE,
        InteractionDecided,
        InteractionExpired,
        InteractionNotFound,
        WrongInteraction,
    ),
)
def withdraw(session: Session, command: CancelInteraction) -> list[SessionEvent]:
    """Take a request back; cancelled already, it is already so."""
    require_present(session)
    require_name(command.reason, "reason")
    if session.interactions.decided.get(command.request_id) == "cancelled":
        return []
    pending = require_pending(session, command.request_id, None, None)
    return [resolved(pending, "cancelled", command.reason)]


def signs_of_life(session: Session) -> list[SessionEvent]:
    """Return what ends the stall of the running turn; nothing when it has not stalled."""
    return [] if session.health.stalled is None else [SessionRecovered(after="stalled")]


def resolved(pending: Interaction, how: Any, reason: str) -> SessionEvent:
    """Return the end of a request that nobody decides any more.

    Args:
        pending: The request.
        how: `cancelled` or `timeout`.
        reason: Why.
    """
    if pending.kind == "permission":
        return PermissionDecided(request_id=pending.request_id, decision=how, reason=reason)
    return ElicitationAnswered(request_id=pending.request_id, action=how, reason=reason)


def cancelled_with_turn(session: Session, turn_id: str, reason: str) -> list[SessionEvent]:
    """Return the end of all that waits for a decision within a turn."""
    pending = session.interactions.pending
    return [
        resolved(pending[request_id], "cancelled", reason)
        for request_id in sorted(pending)
        if pending[request_id].turn_id == turn_id
    ]


def cancelled_with_session(session: Session, reason: str) -> list[SessionEvent]:
    """Return the end of what waits for a decision outside of turns."""
    pending = session.interactions.pending
    return [
        resolved(pending[request_id], "cancelled", reason)
        for request_id in sorted(pending)
        if pending[request_id].turn_id is None
    ]


def expired(session: Session, at: datetime) -> list[SessionEvent]:
    """Return the end of all requests whose time has run out.

    Args:
        session: Where they wait.
        at: The time; a request that runs out at this very moment has run out.
    """
    due = [
        one
        for one in session.interactions.pending.values()
        if one.expires_at is not None and one.expires_at <= at
    ]
    return [resolved(one, "timeout", "expired") for one in sorted(due, key=lambda o: o.sequence)]


def require_new(session: Session, request_id: str) -> None:
    """Refuse an id that another request has, and one request too many."""
    require_id(request_id, "request_id")
    interactions = session.interactions
    if request_id in interactions.pending or request_id in interactions.decided:
        raise InteractionExists(None, interaction_id=request_id)
    if len(interactions.pending) >= MAX_PENDING:
        raise LimitReached(f"{MAX_PENDING} interactions are pending; decide one first")


def require_pending(
    session: Session, request_id: str, kind: str | None, at: datetime | None
) -> Interaction:
    """Return a request that waits for its answer.

    Args:
        session: Where it should wait.
        request_id: Which.
        kind: What it must be; None allows any.
        at: The time, by which it must not have run out; None does not ask.

    Raises:
        InteractionDecided: It has had its answer.
        InteractionNotFound: This session never had it.
        WrongInteraction: It is of another kind.
        InteractionExpired: Its time has run out.
    """
    require_present(session)
    pending = session.interactions.pending.get(request_id)
    if pending is None:
        first = session.interactions.decided.get(request_id)
        if first is not None:
            raise InteractionDecided(None, interaction_id=request_id, decision=first)
        # Of a stopped session the stop is told, and not that there is no such request.
        require_active(session)
        raise InteractionNotFound(None, interaction_id=request_id)
    if kind is not None and pending.kind != kind:
        raise WrongInteraction(None, interaction_id=request_id, kind=pending.kind)
    if at is not None and pending.expires_at is not None and pending.expires_at <= at:
        raise InteractionExpired(None, interaction_id=request_id)
    return pending


def begin_to_wait(session: Session, waiting: Interaction, recorded: Recorded) -> Changes:
    """Return what a new request changes."""
    now = session.interactions
    changes = _alive(session, waiting, recorded)
    changes["interactions"] = replace(now, pending=now.pending.put(waiting.request_id, waiting))
    return changes


def resolve(session: Session, request_id: str, how: str, recorded: Recorded) -> Changes:
    """Return what the end of a request changes.

    Args:
        session: Where it waited.
        request_id: Which.
        how: What was decided.
        recorded: Its end.
    """
    now = session.interactions
    changes = _alive(session, now.pending.get(request_id), recorded)
    changes["interactions"] = Interactions(
        pending=now.pending.drop(request_id), decided=now.decided.put(request_id, how)
    )
    return changes


def left_behind(session: Session, requests: Iterable[Interaction]) -> Interactions:
    """Return the requests when who asked some of them is no more.

    Each is ended before that; only a log that has lost its end still has it waiting.

    Args:
        session: Where they wait.
        requests: Those of whoever is no more.
    """
    pending, decided = session.interactions.pending, session.interactions.decided
    for one in requests:
        pending = pending.drop(one.request_id)
        decided = decided.put(one.request_id, "cancelled")
    return Interactions(pending=pending, decided=decided)


def _alive(session: Session, asked: Interaction | None, recorded: Recorded) -> Changes:
    turn = session.turns.running
    if turn is None or asked is None or asked.turn_id != turn.turn_id:
        return {}
    return {"turns": replace(session.turns, running=replace(turn, active_at=recorded.at))}
