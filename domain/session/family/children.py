"""Which children live: the parent's stream is where they are counted, out and in again."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from domain.session.declarations import Command, decides, evolves
from domain.session.events import ChildReaped, ChildResumed, Recorded, SessionEvent
from domain.session.guards import require_present
from domain.session.state import Changes, Child, Session
from domain.values import Identity

__all__ = ["ReapChild", "RestoreChild"]


TTL_EXPIRED = "ttl_expired"
PARENT_STOPPED = "parent_stopped"


def live_children(session: Session) -> list[UUID]:
    """Return the children that have not been reaped, the smallest id first."""
    return sorted(child.child_id for child in session.children.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class ReapChild(Command):
    """Say that a child is no more among the living."""

    child_id: Identity[UUID]
    reason: Literal["stopped", "deleted", "ttl_expired", "parent_stopped"]


@decides(ReapChild)
def reap(session: Session, command: ReapChild) -> list[SessionEvent]:
    """Say that a child is no more among the living; said already, it is already so."""
    require_present(session)
    if str(command.child_id) not in session.children:
        return []
    return [ChildReaped(child_id=command.child_id, reason=command.reason)]


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreChild(Command):
    """Say that a child is among the living again: it was resumed."""

    child_id: Identity[UUID]
    role: str
    auto_stop: bool


@decides(RestoreChild)
def restore_child(session: Session, command: RestoreChild) -> list[SessionEvent]:
    """Say that a child lives again: no limit refuses it, and the next spawn counts it."""
    require_present(session)
    if str(command.child_id) in session.children:
        return []
    return [ChildResumed(child_id=command.child_id, role=command.role, auto_stop=command.auto_stop)]


def child_status_command(child_id: UUID, child: Session) -> RestoreChild | ReapChild:
    """Return what tells a parent whether a child is among the living.

    Args:
        child_id: Which.
        child: Its state.
    """
    lineage = child.lifecycle.lineage
    if lineage is None or child.lifecycle.phase in ("stopped", "deleted", "erased"):
        return ReapChild(child_id=child_id, reason=reason_of_end(child))
    return RestoreChild(child_id=child_id, role=lineage.role, auto_stop=lineage.auto_stop)


def children_that_go_along(session: Session) -> list[UUID]:
    """Return the living children that end with their parent, the smallest id first."""
    children = session.children.values()
    return sorted(child.child_id for child in children if child.auto_stop)


def reason_of_end(child: Session) -> Literal["stopped", "deleted", "ttl_expired", "parent_stopped"]:
    """Return why a child that has ended is no more among the living.

    Args:
        child: Its state.
    """
    if child.lifecycle.phase in ("deleted", "erased"):
        return "deleted"
    if child.lifecycle.stop_detail == TTL_EXPIRED:
        return "ttl_expired"
    return "parent_stopped" if child.lifecycle.stop_detail == PARENT_STOPPED else "stopped"


@evolves(ChildResumed)
def _resumed(session: Session, event: ChildResumed, _: Recorded) -> Changes:
    child = Child(child_id=event.child_id, role=event.role, auto_stop=event.auto_stop)
    return {"children": session.children.put(str(event.child_id), child)}


@evolves(ChildReaped)
def _reaped(session: Session, event: ChildReaped, _: Recorded) -> Changes:
    return {"children": session.children.drop(str(event.child_id))}
