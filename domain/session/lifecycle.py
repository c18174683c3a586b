"""What is allowed in the life of a session: create, activate, stop, resume, delete."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from domain import errors
from domain.errors import Invalid
from domain.permission_rules import Grants, PermissionRules, normalised, require_rules
from domain.persistent_map import PersistentMap
from domain.redaction import redacted, redacted_failure
from domain.replacing import replace
from domain.session.commands import (
    ActivateSession,
    CreateSession,
    DeleteSession,
    FailStart,
    ResumeSession,
    StopSession,
)
from domain.session.description import require_tags
from domain.session.events import (
    MessageAdded,
    Recorded,
    SessionActivated,
    SessionCreated,
    SessionDeleted,
    SessionEvent,
    SessionResumed,
    SessionStartFailed,
    SessionStopped,
    SessionStopping,
)
from domain.session.guards import require_present
from domain.session.interactions import cancelled_with_session
from domain.session.messages import require_message, require_new_message
from domain.session.shared_state import patched, require_room, require_state, storable
from domain.session.state import Changes, Description, Lifecycle, Policy, Session, own_keys
from domain.session.turns import close_turn
from domain.values import (
    MAX_TITLE,
    Failure,
    SessionLimits,
    StopCause,
    StopReason,
    require_agent,
    require_between,
    require_effort,
    require_failure,
    require_name,
    require_summary,
    rfc3339,
)

REASONS: Mapping[StopCause, StopReason] = {
    "completed": "completed",
    "failed": "error",
    "user_requested": "user_canceled",
    "shutdown": "shutdown",
    "hook_denied": "hook_stopped",
    "process_exited": "agent_crashed",
    "timeout": "timeout",
    "clear_conversation": "completed",
}
"""The stored reason for each cause of a stop, unless its detail or failure says more."""

_FAILURES: Mapping[StopCause, str] = {
    "failed": "unknown_failure",
    "user_requested": "cancellation",
    "hook_denied": "permission_failure",
    "timeout": "timeout",
}
_DETAILS: Mapping[StopCause, str] = {
    "shutdown": "server shutdown",
    "timeout": "activity_timeout",
    "clear_conversation": "conversation cleared",
}
_LIMITS_IN_A_DETAIL: tuple[StopReason, ...] = (
    "max_iterations",
    "loop_detected",
    "budget_exceeded",
)
_START_FAILURES: Mapping[str, StopReason] = {
    "cancellation": "user_canceled",
    "timeout": "timeout",
    "process_exit": "agent_crashed",
}
_WEEK = 7 * 24 * 3600
_YEAR = 366 * 24 * 3600


def create(session: Session, command: CreateSession) -> list[SessionEvent]:
    """Begin a session; asked again with the same content, it is already so."""
    _require_creatable(command)
    created = SessionCreated(
        owner=command.owner,
        type=command.type,
        title=command.title,
        tags=command.tags,
        agent=command.agent,
        state=storable(command.state),
        metadata=command.metadata,
        starting=command.starting or None,
        permissions=command.permissions,
        grants=None if command.grants is None else normalised(command.grants),
        limits=command.limits,
        ttl_seconds=command.ttl_seconds,
        lineage=command.lineage,
        forked_from=command.forked_from,
    )
    if session.sequence:
        return _again(session, created)
    require_room(session, created.state)
    events: list[SessionEvent] = [created]
    seen: set[str] = set()
    for message in command.messages:
        require_message(message.message_id, message.parts)
        require_name(message.author, "author")
        require_new_message(session, message.message_id)
        if message.message_id in seen:
            raise Invalid(f"two messages have the id {message.message_id!r}", field="messages")
        seen.add(message.message_id)
        events.append(
            MessageAdded(
                message_id=message.message_id,
                role=message.role,
                parts=message.parts,
                author=message.author,
            )
        )
    return events


def _require_creatable(command: CreateSession) -> None:
    for field in ("app", "user", "workspace", "team", "scope"):
        require_name(getattr(command.owner, field), field)
    require_agent(command.agent, "agent")
    if command.agent is not None:
        require_effort(command.agent.reasoning_effort, "agent.reasoning_effort")
    require_name(command.title, "title", most=MAX_TITLE)
    require_tags(command.tags)
    require_state(command.state)
    if command.permissions is not None:
        require_rules(command.permissions)
    if command.limits is not None:
        require_limits(command.limits)
    require_between(command.ttl_seconds, "ttl_seconds", 1, _YEAR)
    if (command.type == "spawned") != (command.lineage is not None):
        raise Invalid("a session of type spawned is made by its parent's spawn", field="type")
    if command.type in ("spawned", "coordinator") and command.ttl_seconds is None:
        raise Invalid(f"a {command.type} session needs ttl_seconds", field="ttl_seconds")


def require_limits(limits: SessionLimits) -> None:
    """Refuse limits that are out of bounds."""
    require_between(limits.queued_inputs, "limits.queued_inputs", 1, 1000)
    require_between(limits.input_bytes, "limits.input_bytes", 512, 1024 * 1024)
    require_between(limits.turn_seconds, "limits.turn_seconds", 1, _WEEK)
    require_between(limits.children, "limits.children", 0, 1000)
    require_between(limits.depth, "limits.depth", 0, 16)


def _again(session: Session, created: SessionCreated) -> list[SessionEvent]:
    """Already so if the session began in just this way and is still there."""
    is_deleted = session.lifecycle.phase == "deleted"
    if session.lifecycle.created == created and not is_deleted:
        return []
    detail = "The session that had this id was deleted; choose another id." if is_deleted else None
    raise errors.SessionExists(detail, session_status=session.status)


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
            reason=_START_FAILURES.get(failure.kind, "error"),
            detail=failure.summary,
            failure=failure,
        ),
    ]


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
    stopped = _stop_event(session, command)
    if command.when_idle and session.turns.running is not None:
        return [
            SessionStopping(
                cause=stopped.cause,
                reason=stopped.reason,
                detail=stopped.detail,
                failure=stopped.failure,
            )
        ]
    return [
        *close_turn(session, "cancelled", reason="session_stopped"),
        *cancelled_with_session(session, "session_stopped"),
        stopped,
    ]


def stop_now(session: Session, command: StopSession) -> SessionStopped:
    """Return the end of the activation, for a rule that closes the turn in its own way."""
    return _stop_event(session, command)


def _stop_event(session: Session, command: StopSession) -> SessionStopped:
    command = _with_the_first_cause(session.lifecycle, command)
    cause = command.cause
    reason: StopReason = REASONS[cause]
    detail = redacted(command.detail) or _DETAILS.get(cause)
    failure = None if command.failure is None else redacted_failure(command.failure)
    if cause == "user_requested" and detail is not None:
        for limit in reversed(_LIMITS_IN_A_DETAIL):
            reason = limit if limit in detail.lower() else reason
    if cause == "process_exited":
        detail = detail or (failure and failure.summary) or "process exited unexpectedly"
        if failure is None and session.turns.running is not None:
            # A clean exit in mid-turn is a crash all the same.
            failure = Failure(kind="process_exit", summary="the process exited during a turn")
        elif failure is None:
            reason = "error"
    if cause == "completed":
        detail = None
    if failure is None and cause in _FAILURES:
        failure = Failure(kind=_FAILURES[cause])
    return SessionStopped(cause=cause, reason=reason, detail=detail, failure=failure)


def _with_the_first_cause(lifecycle: Lifecycle, command: StopSession) -> StopSession:
    if lifecycle.phase != "stopping" or lifecycle.stop_cause is None:
        return command
    same = command.cause == lifecycle.stop_cause
    # How a process ended is told beside the cause, whoever wanted the session to stop.
    told = command.failure if same or command.cause == "process_exited" else None
    return StopSession(
        cause=lifecycle.stop_cause,
        detail=(command.detail if same else None) or lifecycle.stop_detail,
        failure=told or lifecycle.failure,
    )


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


# ── what the events do ───────────────────────────────────────────────────────────────────────


def _created(session: Session, event: SessionCreated, recorded: Recorded) -> Changes:
    # Of a fork, the messages and the plain keys of its origin are there before its first event.
    ttl = event.ttl_seconds
    changes: Changes = {
        "lifecycle": Lifecycle(
            phase="starting" if event.starting else "active",
            type=event.type,
            owner=event.owner,
            created=event,
            created_at=recorded.at,
            limits=event.limits or SessionLimits(),
            expires_at=None if ttl is None else _later(recorded.at, ttl),
            lineage=event.lineage,
            forked_from=event.forked_from,
        ),
        "description": Description(
            title=event.title,
            tags=event.tags,
            agent=event.agent,
            metadata=event.metadata,
            models=session.description.models,
            summaries=session.description.summaries,
            summary=session.description.summary,
        ),
        "state": patched(session.state, event.state, ()),
        "policy": Policy(
            rules=event.permissions or PermissionRules(), grants=event.grants or Grants()
        ),
    }
    if own_keys(event.state):
        changes["state_version"] = recorded.sequence
    return changes


def _later(moment: datetime, seconds: int) -> datetime | None:
    try:
        return moment + timedelta(seconds=seconds)
    except OverflowError:
        return None


def _activated(session: Session, _: SessionActivated, __: Recorded) -> Changes:
    return {"lifecycle": replace(session.lifecycle, phase="active")}


def _start_failed(session: Session, event: SessionStartFailed, _: Recorded) -> Changes:
    return {"lifecycle": replace(session.lifecycle, failure=event.failure)}


def _stopping(session: Session, event: SessionStopping, _: Recorded) -> Changes:
    return {"lifecycle": _stop(session.lifecycle, event, "stopping")}


def _stopped_now(session: Session, event: SessionStopped, _: Recorded) -> Changes:
    changes: Changes = {"lifecycle": _stop(session.lifecycle, event, "stopped")}
    around = session.surroundings
    if around.attachment is not None or around.unhealthy or around.peers:
        # Nobody drives, runs or reaches what has stopped.
        changes["surroundings"] = replace(
            around, attachment=None, unhealthy=False, health_detail=None, peers=PersistentMap()
        )
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


def _deleted(session: Session, _: SessionDeleted, __: Recorded) -> Changes:
    return {"lifecycle": replace(session.lifecycle, phase="deleted")}


EFFECTS: Mapping[type[Any], Callable[[Session, Any, Recorded], Changes]] = {
    SessionCreated: _created,
    SessionActivated: _activated,
    SessionStartFailed: _start_failed,
    SessionStopping: _stopping,
    SessionStopped: _stopped_now,
    SessionResumed: _resumed,
    SessionDeleted: _deleted,
}
