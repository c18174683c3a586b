"""The projection of a session's state to its row: what lists and readers see of it."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from application.ports.log.codec import Codec
from application.ports.session.session_row import NEVER, SessionRow
from application.projections.session_document import activity_of, badge_of, kept_document
from domain.session.life.supervision import next_deadline
from domain.session.state import MARKS, Session
from domain.timers import Timers

PROJECTION_VERSION = 3
"""Raised with every change of what a row or its document has: rows of an older version are made
anew, and until then their documents are filled up with the values of a new session."""

_LONGEST_FACET = 500


def session_row(
    session_id: UUID, session: Session, codec: Codec, timers: Timers | None = None
) -> SessionRow:
    """Return the list row of a session.

    Args:
        session_id: Whose state it is.
        session: The state.
        codec: Makes its document.
        timers: How long turns may be silent or run: they decide when it needs the clock.
    """
    lifecycle, description, owner = (
        session.lifecycle,
        session.description,
        session.lifecycle.owner,
    )
    health, lineage, totals = session.health, lifecycle.lineage, session.totals
    return SessionRow(
        app=owner.app,
        user=owner.user,
        workspace=owner.workspace,
        team=owner.team,
        scope=owner.scope,
        agent=description.agent.name if description.agent else None,
        type=lifecycle.type,
        status=session.status,
        title=description.title,
        marks=tuple(mark for mark in MARKS if getattr(description, mark)),
        tags=description.tags,
        created_at=lifecycle.created_at or NEVER,
        deleted=lifecycle.phase in ("deleted", "erased"),
        doc=codec.to_json(kept_document(session_id, session)).decode(),
        activity=activity_of(session),
        external_id=lifecycle.external_id,
        facets=facets_of(description.metadata, codec),
        input_tokens=totals.input_tokens,
        output_tokens=totals.output_tokens,
        cost=totals.cost,
        badge=badge_of(session),
        turn_id=_running(session),
        failure_kind=lifecycle.failure.kind if lifecycle.failure else None,
        failure_summary=lifecycle.failure.summary if lifecycle.failure else None,
        stalled=health.stalled is not None,
        unhealthy=health.unhealthy,
        parent_id=lineage.parent_id if lineage else None,
        root_id=lineage.root_id if lineage else None,
        forked_from=lifecycle.forked_from.session_id if lifecycle.forked_from else None,
        auto_stop=lineage is not None and lineage.auto_stop,
        due_at=next_deadline(session, timers or Timers()),
        projected_with=PROJECTION_VERSION,
    )


def facets_of(metadata: Mapping[str, Any], codec: Codec) -> dict[str, str]:
    """Return what lists are filtered by of metadata: at its top, and no objects or arrays.

    Args:
        metadata: Of a session.
        codec: Writes what is no text as JSON.
    """
    texts = {
        name: value if isinstance(value, str) else codec.to_json(value).decode()
        for name, value in metadata.items()
        if not isinstance(value, (Mapping, list, tuple))
    }
    return {n: t for n, t in texts.items() if len(t) <= _LONGEST_FACET and "\0" not in n + t}


def listed_differently(before: Session, after: Session) -> bool:
    """Return whether a row has more to show than activity; states share what did not change.

    Nor may a session need the clock sooner than its row says: requests that run out count too.
    """
    return not (
        before.lifecycle is after.lifecycle
        and before.description is after.description
        and before.totals is after.totals
        and before.policy is after.policy
        and before.inputs is after.inputs
        and before.interactions is after.interactions
        and before.health is after.health
        and before.profile is after.profile
        and before.sandbox is after.sandbox
        and before.runtime is after.runtime
        and before.peers is after.peers
        and before.children is after.children
        and (
            # What a status and a running turn's id are made of; the rest of it is above.
            before.turns is after.turns
            or (before.status == after.status and _running(before) == _running(after))
        )
    )


def _running(session: Session) -> str | None:
    return session.turns.running.turn_id if session.turns.running else None
