"""What is allowed with attachment: one holder at a time drives an active, well session.

Whether a lease still holds is a row fact judged by the database clock
(`application/use_cases/session/attachment.py`); the log says who held it.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from domain.badges import failure_now
from domain.checks import require_name
from domain.errors import LeaseNotHeld, NotAttachable
from domain.session.declarations import Command, decides, evolves
from domain.session.events import AttachmentAcquired, AttachmentReleased, Recorded, SessionEvent
from domain.session.guards import require_present
from domain.session.state import Attachment, Changes, Session
from domain.values import Identity

__all__ = ["AcquireAttachment", "ReleaseAttachment"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AcquireAttachment(Command):
    """Say who drives the session."""

    lease_id: Identity[UUID]
    holder: str
    acquired_at: datetime
    expires_at: datetime


@decides(AcquireAttachment, refuses=(NotAttachable,))
def acquire(session: Session, command: AcquireAttachment) -> list[SessionEvent]:
    """Say who drives the session; the lease was taken before, so nobody else does."""
    require_present(session)
    require_name(command.holder, "holder")
    held = session.attachment
    if held is not None and held.lease_id == command.lease_id:
        return []
    lifecycle = session.lifecycle
    failure = lifecycle.failure.kind if lifecycle.failure else ""
    if (
        lifecycle.phase != "active"
        or failure_now("active", failure)
        or session.health.stalled is not None
    ):
        raise NotAttachable(None, session_status=session.status)
    return [
        AttachmentAcquired(
            lease_id=command.lease_id, holder=command.holder, expires_at=command.expires_at
        )
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseAttachment(Command):
    """Say that the holder let go."""

    lease_id: Identity[UUID]
    reason: str = "released"


@decides(ReleaseAttachment, refuses=(LeaseNotHeld,))
def release(session: Session, command: ReleaseAttachment) -> list[SessionEvent]:
    """Say that the holder let go."""
    require_present(session)
    require_name(command.reason, "reason")
    held = session.attachment
    if held is None or held.lease_id != command.lease_id:
        raise LeaseNotHeld(None, lease_id=str(command.lease_id))
    return [AttachmentReleased(lease_id=held.lease_id, holder=held.holder, reason=command.reason)]


@evolves(AttachmentAcquired)
def _acquired(_: Session, event: AttachmentAcquired, __: Recorded) -> Changes:
    held = Attachment(lease_id=event.lease_id, holder=event.holder)
    return {"attachment": held}


@evolves(AttachmentReleased)
def _released(session: Session, event: AttachmentReleased, _: Recorded) -> Changes:
    held = session.attachment
    if held is None or held.lease_id != event.lease_id:
        return {}
    return {"attachment": None}
