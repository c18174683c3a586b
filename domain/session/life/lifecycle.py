"""What is allowed in the life of a session: activate, stop, resume, delete."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain import errors
from domain.checks import require_failure, require_summary
from domain.errors import SessionActive, SessionExpired, SessionIsStopped, SessionIsStopping
from domain.persistent_map import PersistentMap
from domain.redaction import redacted_failure
from domain.replacing import replace
from domain.session.declarations import Command, decides, evolves
from domain.session.events import (
    Recorded,
    SessionActivated,
    SessionDeleted,
    SessionEvent,
    SessionResumed,
    SessionStartFailed,
    SessionStopped,
    SessionStopping,
)
from domain.session.guards import require_present
from domain.session.interaction.interactions import cancelled_with_session, left_behind
from domain.session.life.stop_reasons import reason_of_failed_start, stopped
from domain.session.state import Changes, Lifecycle, Session
from domain.session.turn.turn_endings import close_turn
from domain.values import Failure, StopCause, rfc3339

__all__ = [
    "ActivateSession",
    "DeleteSession",
    "FailStart",
    "ResumeSession",
    "StopSession",
]


@dataclass(frozen=True, slots=True)
class ActivateSession(Command):
    """Say that the agent is up."""


@decides(ActivateSession, refuses=(SessionIsStopped, SessionIsStopping))
def activate(session: Session, _: ActivateSession) -> list[SessionEvent]:
    """Say that the agent is up; once it is, it is already so."""
    require_present(session)
    match session.lifecycle.phase:
        case "starting":
            return [SessionActivated()]
        case "active":
            return []
        case "stopping":
            raise errors.SessionIsStopping
        case _:
            raise errors.SessionIsStopped(None, cause=session.lifecycle.stop_cause)


@dataclass(frozen=True, slots=True, kw_only=True)
class FailStart(Command):
    """Say that the agent did not come up."""

    failure: Failure


@decides(FailStart, refuses=(SessionActive, SessionIsStopped))
def fail_start(session: Session, command: FailStart) -> list[SessionEvent]:
    """Say that the agent did not come up: the session stays, stopped, with the failure.

    Said again, it is already so.
    """
    require_present(session)
    require_failure(command.failure)
    lifecycle, failure = session.lifecycle, redacted_failure(command.failure)
    if lifecycle.phase == "stopped":
        if (lifecycle.stop_cause, lifecycle.failure) == ("failed", failure):
            return []
        raise errors.SessionIsStopped(None, cause=lifecycle.stop_cause)
    if lifecycle.phase != "starting":
        raise errors.SessionActive
    return [
        SessionStartFailed(failure=failure),
        *cancelled_with_session(session, "session_stopped"),
        SessionStopped(
            cause="failed",
            reason=reason_of_failed_start(failure),
            detail=failure.summary,
            failure=failure,
        ),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class StopSession(Command):
    """End the activation: at once with its running turn, or `when_idle` after that has ended."""

    cause: StopCause = "user_requested"
    detail: str | None = None
    failure: Failure | None = None
    when_idle: bool = False


@decides(StopSession)
def stop(session: Session, command: StopSession) -> list[SessionEvent]:
    """Stop; the running turn is cancelled with it, and the first cause is the one that stands.

    With `when_idle` the running turn may end first, and nothing new begins meanwhile. A stop at
    once that comes then may add to the first cause: its own detail, or what the process died of.
    """
    require_present(session)
    lifecycle = session.lifecycle
    if lifecycle.phase == "stopped":
        return []
    require_summary(command.detail, "detail")
    if command.failure is not None:
        require_failure(command.failure)
    if lifecycle.phase == "stopping" and command.when_idle:
        return []
    ended = stopped(session, command.cause, command.detail, command.failure)
    if command.when_idle and session.turns.running is not None:
        return [
            SessionStopping(
                cause=ended.cause,
                reason=ended.reason,
                detail=ended.detail,
                failure=ended.failure,
            )
        ]
    return [
        *close_turn(session, "cancelled", reason="session_stopped"),
        *cancelled_with_session(session, "session_stopped"),
        ended,
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeSession(Command):
    """Make a stopped session active again, or `starting` until its agent is up.

    Args:
        starting: Its agent has to come up first.
        at: The time; None does not ask whether the life of the session has run out.
    """

    starting: bool = False
    at: datetime | None = None


@decides(ResumeSession, refuses=(SessionExpired, SessionIsStopping))
def resume(session: Session, command: ResumeSession) -> list[SessionEvent]:
    """Make a stopped session active; an active one is already so."""
    require_present(session)
    lifecycle = session.lifecycle
    if lifecycle.phase in ("active", "starting"):
        return []
    if lifecycle.phase == "stopping":
        raise errors.SessionIsStopping(None, cause=lifecycle.stop_cause)
    ends = lifecycle.expires_at
    if ends is not None and command.at is not None and ends <= command.at:
        raise errors.SessionExpired(None, expires_at=rfc3339(ends))
    crashed = lifecycle.stop_reason == "agent_crashed"
    return [
        SessionResumed(
            activation=lifecycle.activation + 1,
            starting=command.starting or None,
            crash=lifecycle.failure if crashed else None,
        )
    ]


@dataclass(frozen=True, slots=True)
class DeleteSession(Command):
    """Set the tombstone."""


@decides(DeleteSession)
def delete(session: Session, _: DeleteSession) -> list[SessionEvent]:
    """Set the tombstone, ending whatever runs; once deleted it is already so."""
    if session.lifecycle.phase == "deleted":
        return []
    require_present(session)
    return [
        *close_turn(session, "cancelled", reason="session_deleted"),
        *cancelled_with_session(session, "session_deleted"),
        SessionDeleted(),
    ]


@evolves(SessionActivated)
def _activated(session: Session, _: SessionActivated, __: Recorded) -> Changes:
    return {"lifecycle": replace(session.lifecycle, phase="active")}


@evolves(SessionStartFailed)
def _start_failed(session: Session, event: SessionStartFailed, _: Recorded) -> Changes:
    return {"lifecycle": replace(session.lifecycle, failure=event.failure)}


@evolves(SessionStopping)
def _stopping(session: Session, event: SessionStopping, _: Recorded) -> Changes:
    return {"lifecycle": _stop(session.lifecycle, event, "stopping")}


@evolves(SessionStopped)
def _stopped_now(session: Session, event: SessionStopped, _: Recorded) -> Changes:
    changes: Changes = {"lifecycle": _stop(session.lifecycle, event, "stopped")}
    # Nobody drives, runs or reaches what has stopped.
    if session.attachment is not None:
        changes["attachment"] = None
    if session.health.unhealthy:
        changes["health"] = replace(session.health, unhealthy=False, detail=None)
    if session.interactions.pending:
        waiting = session.interactions.pending.values()
        changes["interactions"] = left_behind(session, waiting)
    if session.peers:
        changes["peers"] = PersistentMap()
    return changes


def _stop(lifecycle: Lifecycle, event: SessionStopped | SessionStopping, phase: Any) -> Lifecycle:
    return replace(
        lifecycle,
        phase=phase,
        stop_cause=event.cause,
        stop_reason=event.reason,
        stop_detail=event.detail,
        failure=event.failure,
    )


@evolves(SessionResumed)
def _resumed(session: Session, event: SessionResumed, _: Recorded) -> Changes:
    now = session.lifecycle
    return {
        "lifecycle": replace(
            now,
            phase="starting" if event.starting else "active",
            activation=event.activation,
            stop_cause=None,
            stop_reason=None,
            stop_detail=None,
            # What a crash left stays visible until the next stop says otherwise.
            failure=event.crash or (now.failure if now.stop_reason == "agent_crashed" else None),
        )
    }


@evolves(SessionDeleted)
def _deleted(session: Session, _: SessionDeleted, __: Recorded) -> Changes:
    return {"lifecycle": replace(session.lifecycle, phase="deleted")}
