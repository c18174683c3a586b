"""Sessions that other sessions began: what parent and child say of each other."""

from uuid import UUID

from domain.session.events import ChildReaped, ChildSpawned, SessionStopped
from domain.values import Lineage
from infrastructure.importers.drafting.session import SessionDrafter
from infrastructure.importers.reading.values import name_of

_TTL = 24 * 3600


def lineage_of(parent_id: UUID, root_id: UUID, depth: int, role: str) -> Lineage:
    """Return what a child says of where it comes from.

    Args:
        parent_id: Of the session that began it.
        root_id: Of the first one of all.
        depth: How many generations are above it.
        role: What it is for.
    """
    return Lineage(
        parent_id=parent_id,
        root_id=root_id,
        depth=depth,
        role=name_of(role, "agent"),
        auto_stop=False,
    )


def note_child(drafter: SessionDrafter, child_id: UUID, role: str, depth: int) -> None:
    """Say in the parent that a child began, and that it is not alive any more.

    Args:
        drafter: Of the parent.
        child_id: Of the child.
        role: What it is for.
        depth: How many generations are above it.
    """
    named = name_of(role, "agent")
    drafter.add(
        ChildSpawned(
            child_id=child_id,
            role=named,
            depth=depth,
            ttl_seconds=_TTL,
            auto_stop=False,
            agent=named,
        )
    )
    drafter.add(ChildReaped(child_id=child_id, reason="stopped"))


def end_child(drafter: SessionDrafter) -> None:
    """Stop a child that is at rest: nobody will go on with it.

    Args:
        drafter: Of the child.
    """
    if drafter.is_at_rest:
        drafter.infer_end()
        drafter.add(SessionStopped(cause="completed", reason="completed"))
