"""What is allowed in the life of a session: create, stop, resume, delete."""

from collections.abc import Mapping

from domain.errors import Invalid, SessionExists
from domain.session.commands import CreateSession, DeleteSession, ResumeSession, StopSession
from domain.session.description import require_tags
from domain.session.events import (
    MessageAdded,
    SessionCreated,
    SessionDeleted,
    SessionEvent,
    SessionResumed,
    SessionStopped,
)
from domain.session.guards import require_present
from domain.session.messages import require_message
from domain.session.shared_state import require_state, storable
from domain.session.state import Session
from domain.session.turns import close_turn
from domain.values import (
    MAX_TITLE,
    StopCause,
    StopReason,
    require_agent,
    require_failure,
    require_name,
    require_summary,
)

REASONS: Mapping[StopCause, StopReason] = {
    "completed": "completed",
    "failed": "error",
    "user_requested": "user_canceled",
    "shutdown": "shutdown",
    "hook_denied": "hook_stopped",
    "process_exited": "agent_crashed",
    "timeout": "timeout",
    "clear_conversation": "user_canceled",
}
"""The stored reason for each cause of a stop."""


def create(session: Session, command: CreateSession) -> list[SessionEvent]:
    """Begin a session; asked again with the same content, it is already so."""
    owner, agent = command.owner, command.agent
    for field in ("app", "user", "workspace", "team", "scope"):
        require_name(getattr(owner, field), field)
    require_agent(agent, "agent")
    require_name(command.title, "title", most=MAX_TITLE)
    require_tags(command.tags)
    require_state(command.state)
    created = SessionCreated(
        owner=owner,
        title=command.title,
        tags=command.tags,
        agent=agent,
        state=storable(command.state),
        metadata=command.metadata,
    )
    if session.sequence:
        return _again(session, created)
    events: list[SessionEvent] = [created]
    seen: set[str] = set()
    for message in command.messages:
        require_message(message.message_id, message.parts)
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


def _again(session: Session, created: SessionCreated) -> list[SessionEvent]:
    """Already so if the session began in just this way and is still there."""
    if session.lifecycle.phase != "deleted" and session.lifecycle.created == created:
        return []
    raise SessionExists(None, session_status=session.status)


def stop(session: Session, command: StopSession) -> list[SessionEvent]:
    """Stop; the running turn is cancelled with it, and the first cause is the one that stands."""
    require_present(session)
    if session.lifecycle.phase == "stopped":
        return []
    require_summary(command.detail, "detail")
    if command.failure is not None:
        require_failure(command.failure)
    stopped = SessionStopped(
        cause=command.cause,
        reason=REASONS[command.cause],
        detail=command.detail,
        failure=command.failure,
    )
    return [*close_turn(session, "cancelled", reason="session_stopped"), stopped]


def resume(session: Session, _: ResumeSession) -> list[SessionEvent]:
    """Make a stopped session active; an active one is already so."""
    require_present(session)
    if session.lifecycle.phase == "active":
        return []
    return [SessionResumed(activation=session.lifecycle.activation + 1)]


def delete(session: Session, _: DeleteSession) -> list[SessionEvent]:
    """Set the tombstone, ending whatever runs; once deleted it is already so."""
    if session.lifecycle.phase == "deleted":
        return []
    require_present(session)
    return [*close_turn(session, "cancelled", reason="session_deleted"), SessionDeleted()]
