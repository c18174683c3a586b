"""What clients see of a session's health and of who drives it."""

from datetime import datetime
from typing import Any

from api.http.outgoing.responses import from_json, session_json, to_json
from application.ports.session.leases import Lease
from application.reads.health import Checkup, DrivenSession
from domain.values import rfc3339


def health_document(checkup: Checkup) -> dict[str, Any]:
    """Return how a session is."""
    health, sign = checkup.health, checkup.sign
    return {
        "state": health.state,
        "health": health.health,
        "badge": checkup.badge,
        "active_prompt": health.active_prompt,
        "attachable": health.attachable,
        "eligible_for_wake": health.eligible_for_wake,
        "ineligibility_reason": health.ineligibility_reason or None,
        "last_activity_at": rfc3339(checkup.session.last_activity_at),
        "last_presence_at": _moment(sign.presence_at if sign else None),
        "reporter": sign.reporter if sign else None,
        "process": sign.process if sign else None,
        "process_since": _moment(sign.process_since if sign else None),
        "last_error": checkup.last_error,
        **lease_document(checkup.lease),
    }


def health_entry(checkup: Checkup) -> dict[str, Any]:
    """Return which session it is, and how it is."""
    session = checkup.session
    return {
        "session_id": session.session_id,
        "app": session.app,
        "user": session.user,
        "status": session.status,
        "sequence": session.sequence,
        **health_document(checkup),
    }


def lease_document(lease: Lease | None) -> dict[str, Any]:
    """Return who drives a session, and until when."""
    return {
        "attached_to": lease.holder if lease else None,
        "attach_expires_at": _moment(lease.expires_at if lease else None),
    }


def leased_session(standing: DrivenSession, checkup: Checkup | None = None) -> bytes:
    """Return a session as lists show it, with who drives it now.

    Args:
        standing: The session.
        checkup: How it is, if that is wanted too; it decides the badge then.
    """
    shown = session_json(
        standing.session, **lease_document(standing.lease), attachable=standing.attachable
    )
    if checkup is None:
        return shown
    health = health_document(checkup)
    return to_json({**from_json(shown), "badge": health["badge"], "health": health})


def _moment(at: datetime | None) -> str | None:
    return None if at is None else rfc3339(at)
