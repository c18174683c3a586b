"""What is allowed with spawns: a child has no more than its parent, and ends in time.

The parent's stream is where children are counted: spawning appends to it and begins the child in
one transaction, so that no race lets one child too many live.
"""

from dataclasses import asdict, dataclass, field, fields
from typing import Any
from uuid import UUID

from domain.access.events import ACCESS_LOG
from domain.checks import require_agent, require_between, require_effort, require_name
from domain.counted import counted
from domain.errors import (
    Invalid,
    InvalidRuntimeOverride,
    PermissionDenied,
    SessionExists,
    SessionIsStopped,
    SpawnLimit,
)
from domain.log.canonical import digest_of
from domain.permissions.grants import Grants, normalised, wider_than
from domain.permissions.narrowing import wider_rules
from domain.permissions.permission_rules import PermissionRules, require_rules
from domain.replacing import replace
from domain.session.declarations import Command, Companion, accompanies, decides, evolves
from domain.session.events import ChildSpawned, Recorded, SessionEvent
from domain.session.guards import INACTIVE, require_active, require_present
from domain.session.life.creation import CreateSession
from domain.session.state import Changes, Child, Session
from domain.session.turn.input_queue import MAX_BYTES, MAX_WAITING
from domain.values import (
    Agent,
    Identity,
    JsonObject,
    Lineage,
    SessionLimits,
)

DEFAULT_CHILDREN = 5
DEFAULT_DEPTH = 1
EXTRACTOR = "memory-extractor"
RESERVED = "coordinator"
_LONGEST = 366 * 24 * 3600
_DEFAULTS = SessionLimits(
    queued_inputs=MAX_WAITING,
    input_bytes=MAX_BYTES,
    children=DEFAULT_CHILDREN,
    depth=DEFAULT_DEPTH,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpawnSession(Command):
    """Begin a child session, with no more than what the parent has."""

    parent_id: Identity[UUID]
    child_id: Identity[UUID]
    agent: Agent
    ttl_seconds: int
    role: str = "worker"
    auto_stop: bool = True
    grants: Grants = field(default_factory=Grants)
    workspace: str | None = None
    title: str | None = None
    permissions: PermissionRules | None = None
    limits: SessionLimits | None = None
    metadata: JsonObject = field(default_factory=dict[str, Any])
    allow_stopped_parent: bool = False


@decides(
    SpawnSession,
    refuses=(*INACTIVE, InvalidRuntimeOverride, PermissionDenied, SessionExists, SpawnLimit),
)
def spawn(session: Session, command: SpawnSession) -> list[SessionEvent]:
    """Begin a child, after checks of its shape, parent, place, depth, number and permissions.

    The checks are made in this order, and the first that fails is the answer. The same request
    again, while the child lives, changes nothing.
    """
    _require_shape(command)
    asked = request_digest(command)
    living = session.children.get(str(command.child_id))
    if living is not None:
        if living.asked != asked:
            raise SessionExists(
                "a child that was asked for differently, or has ended since, has this id; "
                "choose another"
            )
        return []
    _require_parent(session, command)
    _require_room(session)
    wider = _wider_grants(session, command)
    if command.permissions is not None:
        wider += wider_rules(session.policy.rules, command.permissions)
    wider += _wider_limits(session, command)
    if wider:
        named = ", ".join(wider[:5])
        raise PermissionDenied(f"the parent does not have {named}; leave it out", wider=wider)
    return [
        ChildSpawned(
            child_id=command.child_id,
            role=_role(command),
            depth=depth_of(session) + 1,
            ttl_seconds=command.ttl_seconds,
            auto_stop=command.auto_stop,
            agent=command.agent.name,
            asked=asked,
        )
    ]


def request_digest(command: SpawnSession) -> str:
    """Return the digest of what a child is asked to be, whatever its id.

    Args:
        command: What is asked.

    Raises:
        Invalid: One of its grants is none.
    """
    rules, limits = command.permissions, command.limits
    return digest_of(
        {
            "agent": asdict(command.agent),
            "ttl_seconds": command.ttl_seconds,
            "role": _role(command),
            "auto_stop": command.auto_stop,
            "grants": asdict(normalised(command.grants)),
            "workspace": command.workspace,
            "title": command.title,
            "permissions": None if rules is None else asdict(rules),
            "limits": None if limits is None else asdict(limits),
            "metadata": command.metadata,
            "allow_stopped_parent": command.allow_stopped_parent,
        }
    )


def _require_shape(command: SpawnSession) -> None:
    require_agent(command.agent, "agent")
    require_effort(command.agent.reasoning_effort, "agent.reasoning_effort")
    require_between(command.ttl_seconds, "ttl_seconds", 1, _LONGEST)
    require_name(command.role.strip() or None, "role")
    if command.permissions is not None:
        require_rules(command.permissions)
    if command.child_id == command.parent_id:
        raise SessionExists("a session cannot be its own child; choose another id")
    if command.child_id == ACCESS_LOG:
        # The log refuses it too, and with it every command that waited together with this one.
        raise SessionExists("this id is that of the log of accesses; choose another id")
    if _role(command).lower() == RESERVED:
        raise Invalid("a child cannot be a coordinator", field="role")
    if command.allow_stopped_parent and _role(command) != EXTRACTOR:
        raise Invalid(
            f"only the role {EXTRACTOR} may be spawned under a stopped parent",
            field="allow_stopped_parent",
        )
    if command.allow_stopped_parent and command.auto_stop:
        raise Invalid(
            "auto_stop makes no sense under a stopped parent", field="allow_stopped_parent"
        )


def _require_parent(session: Session, command: SpawnSession) -> None:
    require_present(session)
    if session.lifecycle.phase != "stopped":
        require_active(session)
    elif not command.allow_stopped_parent:
        raise SessionIsStopped(None, cause=session.lifecycle.stop_cause)
    owner = session.lifecycle.owner
    if command.workspace is not None and command.workspace != owner.workspace:
        raise PermissionDenied(
            "a child works in its parent's workspace; leave workspace out",
            workspace=owner.workspace,
        )


def _require_room(session: Session) -> None:
    limits = session.lifecycle.limits
    deepest = DEFAULT_DEPTH if limits.depth is None else limits.depth
    if depth_of(session) + 1 > deepest:
        raise SpawnLimit(f"at most {deepest} generations below the root", limit=deepest)
    most = DEFAULT_CHILDREN if limits.children is None else limits.children
    if len(session.children) >= most:
        raise SpawnLimit(
            f"{counted(most, 'child', 'children')} may live at a time; stop one first", limit=most
        )


def _wider_grants(session: Session, command: SpawnSession) -> list[str]:
    wider = wider_than(session.policy.grants, normalised(command.grants))
    return [f"{category}:{atom}" for category, atom in wider]


def _wider_limits(session: Session, command: SpawnSession) -> list[str]:
    asked = command.limits or SessionLimits()
    wider: list[str] = []
    for limit in fields(SessionLimits):
        most = getattr(session.lifecycle.limits, limit.name)
        most = getattr(_DEFAULTS, limit.name) if most is None else most
        wanted = getattr(asked, limit.name)
        if wanted is not None and most is not None and wanted > most:
            wider.append(f"limits.{limit.name}:{wanted}")
    return wider


def _rules_of_child(session: Session, command: SpawnSession) -> PermissionRules:
    held, asked = session.policy.rules, command.permissions
    if asked is None:
        return held
    return replace(
        asked,
        ask=tuple(dict.fromkeys((*held.ask, *asked.ask))),
        deny=tuple(dict.fromkeys((*held.deny, *asked.deny))),
    )


def _limits_of_child(session: Session, command: SpawnSession) -> SessionLimits:
    held, asked = session.lifecycle.limits, command.limits or SessionLimits()
    given = {f.name: getattr(asked, f.name) for f in fields(SessionLimits)}
    return replace(held, **{name: most for name, most in given.items() if most is not None})


@accompanies(SpawnSession)
def child_creation(session: Session, command: SpawnSession) -> list[Companion]:
    """Return what begins the child of an accepted spawn.

    Args:
        session: The parent.
        command: What was accepted.
    """
    lineage, profile = session.lifecycle.lineage, session.profile
    child = CreateSession(
        owner=session.lifecycle.owner,
        title=command.title,
        agent=command.agent,
        metadata=command.metadata,
        type="spawned",
        permissions=_rules_of_child(session, command),
        grants=normalised(command.grants),
        limits=_limits_of_child(session, command),
        ttl_seconds=command.ttl_seconds,
        lineage=Lineage(
            parent_id=command.parent_id,
            root_id=command.parent_id if lineage is None else lineage.root_id,
            depth=depth_of(session) + 1,
            role=_role(command),
            auto_stop=command.auto_stop,
            profile_digest=profile.digest if profile else None,
        ),
    )
    return [Companion(command.child_id, child)]


def depth_of(session: Session) -> int:
    """Return how many generations a session is below its root."""
    return session.lifecycle.lineage.depth if session.lifecycle.lineage else 0


def _role(command: SpawnSession) -> str:
    return command.role.strip() or "worker"


@evolves(ChildSpawned)
def _spawned(session: Session, event: ChildSpawned, _: Recorded) -> Changes:
    child = Child(
        child_id=event.child_id, role=event.role, auto_stop=event.auto_stop, asked=event.asked
    )
    return {"children": session.children.put(str(event.child_id), child)}
