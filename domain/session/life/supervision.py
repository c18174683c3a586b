"""Timers: requests, sessions and turns that run out, and turns that fall silent.

A job says what time it is, and the rules here decide what is due. While a person is asked
something, the agent counts as waiting.

    silent or running for too long ─ asked to end ─┬─ it ends by itself: the session lives on
                                                   ├─ it was silent, and speaks again: it goes on
                                                   └─ the grace is over: it fails, the session stops
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from domain.checks import require_summary
from domain.redaction import redacted
from domain.replacing import replace
from domain.session.declarations import Command, decides, evolves
from domain.session.events import (
    Recorded,
    SessionEvent,
    SessionRecovered,
    SessionStalled,
    SessionUnhealthy,
    TurnProgressNoted,
)
from domain.session.guards import INACTIVE, require_active
from domain.session.interaction.interactions import cancelled_with_session, expired
from domain.session.life.lifecycle import StopSession, stop
from domain.session.life.stop_reasons import stopped
from domain.session.state import Changes, Session
from domain.session.turn.turn_endings import close_turn
from domain.session.work import Overdue, Turn
from domain.timers import Timers
from domain.values import Failure

__all__ = ["ExpireDue", "ReportHealth"]

_ALIVE = frozenset({"starting", "active", "stopping"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpireDue(Command):
    """Do what is due by a time: requests, lives and turns run out."""

    at: datetime
    timers: Timers = field(default_factory=Timers)


@decides(ExpireDue)
def expire_due(session: Session, command: ExpireDue) -> list[SessionEvent]:
    """Do what is due; nothing is due of a session that is not alive."""
    if session.lifecycle.phase not in _ALIVE:
        return []
    expires = session.lifecycle.expires_at
    if expires is not None and expires <= command.at:
        return stop(session, StopSession(cause="timeout", detail="ttl_expired"))
    given_up = _given_up(session, command)
    if given_up:
        return given_up
    return [*expired(session, command.at), *_noted(session, command), *_asked(session, command)]


def _given_up(session: Session, command: ExpireDue) -> list[SessionEvent]:
    """Return the end of a turn that ran or was silent for too long, and of the session with it.

    With a grace it is asked to end first, and has until then.
    """
    turn = session.turns.running
    if turn is None:
        return []
    reason = turn.overdue
    if reason is None:
        reason = None if command.timers.grace > 0 else _overdue(session, turn, command)
    elif turn.ends_at is not None and turn.ends_at > command.at:
        return []
    if reason is None:
        return []
    events: list[SessionEvent] = []
    if session.health.stalled is None and turn.overdue is None:
        idle = _seconds(turn.active_at, command.at)
        events.append(SessionStalled(turn_id=turn.turn_id, reason=reason, idle_seconds=idle))
    failure = Failure(kind="timeout", summary=reason)
    return [
        *events,
        *close_turn(session, "failed", failure=failure),
        *cancelled_with_session(session, "session_stopped"),
        stopped(session, "timeout", reason, failure),
    ]


def _asked(session: Session, command: ExpireDue) -> list[SessionEvent]:
    """Ask a turn to end that ran or was silent for too long; once."""
    turn = session.turns.running
    reason = None if turn is None or turn.overdue else _overdue(session, turn, command)
    if turn is None or reason is None:
        return []
    idle = _seconds(turn.active_at, command.at)
    ends_at = _after(command.at, command.timers.grace) or command.at
    return [SessionStalled(turn_id=turn.turn_id, reason=reason, idle_seconds=idle, ends_at=ends_at)]


def _overdue(session: Session, turn: Turn, command: ExpireDue) -> Overdue | None:
    """Return why a turn has to end; None when it may go on."""
    timers = command.timers
    if _is_due(turn.started_at, _longest(session, timers), command.at):
        return "prompt_deadline_exceeded"
    if not _asks(session, turn) and _is_due(turn.active_at, timers.silence, command.at):
        return "activity_timeout"
    return None


def _noted(session: Session, command: ExpireDue) -> list[SessionEvent]:
    turn, timers = session.turns.running, command.timers
    if turn is None:
        return []
    idle = _seconds(turn.active_at, command.at)
    events: list[SessionEvent] = []
    if _is_due(turn.noted_at, timers.progress, command.at):
        elapsed = _seconds(turn.started_at, command.at)
        events.append(
            TurnProgressNoted(turn_id=turn.turn_id, elapsed_seconds=elapsed, idle_seconds=idle)
        )
    if (
        _may_stall(session, turn)
        and _is_due(turn.active_at, timers.warning, command.at)
        and (turn.overdue or _overdue(session, turn, command) is None)
    ):
        events.append(SessionStalled(turn_id=turn.turn_id, reason="inactivity", idle_seconds=idle))
    return events


def next_deadline(session: Session, timers: Timers) -> datetime | None:
    """Return when a session needs the clock next, as far as is known now; None is never.

    Args:
        session: Its state.
        timers: How long turns may be silent or run.
    """
    if session.lifecycle.phase not in _ALIVE:
        return None
    times = [session.lifecycle.expires_at]
    times += [one.expires_at for one in session.interactions.pending.values()]
    turn = session.turns.running
    if turn is not None:
        times += _of_turn(session, turn, timers)
    return min((one for one in times if one is not None), default=None)


def _of_turn(session: Session, turn: Turn, timers: Timers) -> list[datetime | None]:
    times = [_after(turn.noted_at, timers.progress)]
    if turn.overdue is not None:
        times.append(turn.ends_at)
    else:
        times.append(_after(turn.started_at, _longest(session, timers)))
        if not _asks(session, turn):
            times.append(_after(turn.active_at, timers.silence))
    if _may_stall(session, turn):
        times.append(_after(turn.active_at, timers.warning))
    return times


def _may_stall(session: Session, turn: Turn) -> bool:
    return session.health.stalled is None and not _asks(session, turn)


def _asks(session: Session, turn: Turn) -> bool:
    # What is asked from the background is no excuse for a turn to be silent.
    return any(one.turn_id == turn.turn_id for one in session.interactions.pending.values())


def _longest(session: Session, timers: Timers) -> float | None:
    return session.lifecycle.limits.turn_seconds or timers.turn


def _after(moment: datetime, seconds: float | None) -> datetime | None:
    if seconds is None:
        return None
    try:
        return moment + timedelta(seconds=seconds)
    except OverflowError:
        return None


def _is_due(moment: datetime, seconds: float | None, at: datetime) -> bool:
    due = _after(moment, seconds)
    return due is not None and due <= at


def _seconds(since: datetime, at: datetime) -> int:
    return max(int((at - since).total_seconds()), 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportHealth(Command):
    """Say whether the process of the agent is well."""

    healthy: bool
    detail: str | None = None


@decides(ReportHealth, refuses=INACTIVE)
def report_health(session: Session, command: ReportHealth) -> list[SessionEvent]:
    """Say that the agent's process is not well, or well again: once per episode."""
    require_active(session)
    require_summary(command.detail, "detail")
    if command.healthy == (not session.health.unhealthy):
        return []
    if command.healthy:
        return [SessionRecovered(after="unhealthy")]
    return [SessionUnhealthy(detail=redacted(command.detail))]


@evolves(SessionStalled)
def _stalled(session: Session, event: SessionStalled, _: Recorded) -> Changes:
    changes: Changes = {"health": replace(session.health, stalled=event.reason)}
    turn = session.turns.running
    if turn is not None and event.ends_at is not None and event.reason != "inactivity":
        asked = replace(turn, overdue=event.reason, ends_at=event.ends_at)
        changes["turns"] = replace(session.turns, running=asked)
    return changes


@evolves(SessionUnhealthy)
def _unhealthy(session: Session, event: SessionUnhealthy, _: Recorded) -> Changes:
    return {"health": replace(session.health, unhealthy=True, detail=event.detail)}


@evolves(SessionRecovered)
def _recovered(session: Session, event: SessionRecovered, _: Recorded) -> Changes:
    if event.after == "stalled":
        changes: Changes = {"health": replace(session.health, stalled=None)}
        turn = session.turns.running
        if turn is not None and turn.overdue == "activity_timeout":
            # It is not silent any more. One that has run for too long still has to end.
            spared = replace(turn, overdue=None, ends_at=None)
            changes["turns"] = replace(session.turns, running=spared)
        return changes
    return {"health": replace(session.health, unhealthy=False, detail=None)}
