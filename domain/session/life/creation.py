"""What a session begins with, and what it may begin with."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar

from domain.checks import (
    require_agent,
    require_between,
    require_effort,
    require_name,
    require_title,
)
from domain.errors import (
    Invalid,
    InvalidRuntimeOverride,
    LimitReached,
    PermissionDenied,
    SessionExists,
)
from domain.permissions.grants import Grants, normalised
from domain.permissions.narrowing import require_within
from domain.permissions.permission_rules import PermissionRules, require_rules
from domain.scope.state_keys import own_keys
from domain.session.content.description import require_tags
from domain.session.content.messages import require_message, require_new_message, require_results
from domain.session.content.shared_state import (
    patched,
    require_key_room,
    require_state,
    storable,
)
from domain.session.declarations import Command, decides, evolves
from domain.session.events import MessageAdded, Recorded, SessionCreated, SessionEvent
from domain.session.state import Changes, Description, Lifecycle, Policy, Session
from domain.session.turn.foreign_events import ForeignEvent, recorded
from domain.values import (
    MAX_EXTERNAL_ID,
    Agent,
    Identity,
    JsonObject,
    Lineage,
    Origin,
    Owner,
    Part,
    Role,
    SessionLimits,
    SessionType,
)

__all__ = ["CreateSession", "FirstMessage"]

_WEEK = 7 * 24 * 3600
_MILLION = 1_000_000
_YEAR = 366 * 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstMessage:
    """A message that a session is created with."""

    message_id: str
    role: Role
    parts: tuple[Part, ...]
    author: str | None = None
    meta: JsonObject | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateSession(Command):
    """Begin a session."""

    begins: ClassVar[bool] = True

    owner: Identity[Owner]
    external_id: Identity[str | None] = None
    title: str | None = None
    tags: tuple[str, ...] = ()
    agent: Agent | None = None
    state: JsonObject = field(default_factory=dict[str, Any])
    metadata: JsonObject = field(default_factory=dict[str, Any])
    messages: tuple[FirstMessage, ...] = ()
    foreign: tuple[ForeignEvent, ...] = ()
    """What another framework has done in it before."""
    type: SessionType = "user"
    starting: bool = False
    permissions: PermissionRules | None = None
    grants: Grants | None = None
    limits: SessionLimits | None = None
    ttl_seconds: int | None = None
    tool_approval: bool = False
    lineage: Identity[Lineage | None] = None
    forked_from: Identity[Origin | None] = None
    ceiling: Identity[PermissionRules | None] = None


@decides(
    CreateSession, refuses=(InvalidRuntimeOverride, LimitReached, PermissionDenied, SessionExists)
)
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
        ceiling=command.ceiling,
        external_id=command.external_id,
        tool_approval=command.tool_approval or None,
    )
    if session.sequence:
        return _again(session, created)
    require_key_room(session, created.state)
    events: list[SessionEvent] = [created]
    seen: set[str] = set()
    for message in command.messages:
        require_message(message.message_id, message.parts)
        require_name(message.author, "author")
        require_new_message(session, message.message_id)
        if message.role == "tool":
            require_results(session, message.parts)
        if message.message_id in seen:
            raise Invalid(f"two messages have the id {message.message_id!r}", field="messages")
        seen.add(message.message_id)
        events.append(
            MessageAdded(
                message_id=message.message_id,
                role=message.role,
                parts=message.parts,
                author=message.author,
                meta=message.meta,
            )
        )
    return [*events, *recorded(session, command.foreign, events)]


def _require_creatable(command: CreateSession) -> None:
    for name in ("app", "user", "workspace", "team", "scope"):
        require_name(getattr(command.owner, name), name)
    require_name(command.external_id, "external_id", most=MAX_EXTERNAL_ID)
    require_agent(command.agent, "agent")
    if command.agent is not None:
        require_effort(command.agent.reasoning_effort, "agent.reasoning_effort")
    require_title(command.title)
    require_tags(command.tags)
    require_state(command.state)
    if command.permissions is not None:
        require_rules(command.permissions)
    require_within(command.ceiling, command.permissions or PermissionRules())
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
    require_between(limits.iterations, "limits.iterations", 1, _MILLION)
    require_between(limits.consecutive_tool_calls, "limits.consecutive_tool_calls", 1, _MILLION)


def _again(session: Session, created: SessionCreated) -> list[SessionEvent]:
    """Already so if the session is still there, and began in just this way or has this name."""
    phase = session.lifecycle.phase
    is_gone = phase in ("deleted", "erased")
    before = session.lifecycle.created
    is_named = (
        before is not None
        and before.external_id is not None
        and (before.external_id, before.owner) == (created.external_id, created.owner)
    )
    if (is_named or before == created) and not is_gone:
        return []
    if session.lifecycle.owner != created.owner:
        # Whoever asks may not see it.
        raise SessionExists
    detail = f"The session that had this id was {phase}; choose another id." if is_gone else None
    raise SessionExists(detail, session_status=session.status)


@evolves(SessionCreated)
def _created(session: Session, event: SessionCreated, happened: Recorded) -> Changes:
    # Of a fork, the messages and the plain keys of its origin are there before its first event.
    ttl = event.ttl_seconds
    changes: Changes = {
        "lifecycle": Lifecycle(
            phase="starting" if event.starting else "active",
            type=event.type,
            owner=event.owner,
            created=event,
            created_at=happened.at,
            external_id=event.external_id,
            limits=event.limits or SessionLimits(),
            expires_at=None if ttl is None else _later(happened.at, ttl),
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
            rules=event.permissions or PermissionRules(),
            tool_approval=event.tool_approval or False,
            grants=event.grants or Grants(),
            ceiling=event.permissions if event.lineage is not None else event.ceiling,
        ),
    }
    if own_keys(event.state):
        changes["state_version"] = happened.sequence
    return changes


def _later(moment: datetime, seconds: int) -> datetime | None:
    try:
        return moment + timedelta(seconds=seconds)
    except OverflowError:
        return None
