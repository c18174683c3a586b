"""What clients see of a session beyond its row: snapshots and what is pending in them."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from api.http.outgoing.large_json import object_json
from api.http.outgoing.responses import to_json
from api.http.outgoing.streams import piece_document
from api.services import Services
from api.v1.documents.inputs import waiting_documents
from application.ports.session.partials import Piece
from application.reads.query_results import Snapshot
from application.reads.runtime import read_runtime
from domain.session.state import Session
from domain.session.work import Interaction
from domain.values import rfc3339


async def snapshot_json(
    services: Services, session_id: UUID, snapshot: Snapshot, written: Sequence[Piece]
) -> bytes:
    """Return a snapshot, with the stored JSON of its transcript as it is.

    Args:
        services: Whose store it is of.
        session_id: Of which session.
        snapshot: What was recorded.
        written: What is being written.
    """
    session: Session = snapshot.session
    turn = session.turns.running
    report = await read_runtime(services.events, session_id, session.runtime)
    calls = [] if turn is None else sorted(turn.open_calls.values(), key=lambda c: c.sequence)
    rest = {
        "turn": None
        if turn is None
        else {
            "turn_id": turn.turn_id,
            "source": turn.source,
            "started_at": rfc3339(turn.started_at),
            "sequence": turn.sequence,
            "plan": turn.plan,
            "model": turn.model and asdict(turn.model),
            "partial": [piece_document(piece) for piece in written],
        },
        "tool_calls": [
            {
                "tool_call_id": call.tool_call_id,
                "name": call.name,
                "title": call.title,
                "input": call.input,
                "sequence": call.sequence,
            }
            for call in calls
        ],
        "interactions": pending_documents(session),
        "inputs": waiting_documents(session),
        **bounds_document(session),
        "capabilities": report and report.event.capabilities,
        "sequence": snapshot.sequence,
        "position": snapshot.position,
        "epoch": session.lifecycle.epoch,
        "store": services.store.identity,
    }
    session_json = to_json({**snapshot.document, "sequence": snapshot.sequence})
    state = await object_json(snapshot.state)
    # Joined once: a copy of a long transcript is most of what it costs.
    return b"".join(
        [
            b'{"session":%s,"transcript":[' % session_json,
            *snapshot.transcript.array_pieces(),
            b'],"state":',
            state,
            b",",
            to_json(rest)[1:],
        ]
    )


def bounds_document(session: Session) -> dict[str, Any]:
    """Return what the rules of a session may not exceed, and what it may use and hand on.

    Args:
        session: The state.
    """
    ceiling, grants = session.policy.ceiling, session.policy.grants
    return {"ceiling": ceiling and asdict(ceiling), "grants": asdict(grants)}


def pending_documents(session: Session, kind: str | None = None) -> list[dict[str, Any]]:
    """Return the requests that wait for a person, the oldest first.

    Args:
        session: Where they wait.
        kind: Only those of this kind; None is all.
    """
    pending = sorted(session.interactions.pending.values(), key=lambda one: one.sequence)
    return [interaction_document(one) for one in pending if kind is None or one.kind == kind]


def interaction_document(one: Interaction) -> dict[str, Any]:
    """Return a pending interaction as clients see it."""
    document: dict[str, Any] = {
        "request_id": one.request_id,
        "kind": one.kind,
        "turn_id": one.turn_id,
        "expires_at": None if one.expires_at is None else rfc3339(one.expires_at),
        "meta": one.meta,
        "sequence": one.sequence,
        "requested_at": rfc3339(one.requested_at),
    }
    if one.kind == "elicitation":
        return {**document, "message": one.message, "schema": one.schema, "url": one.url}
    return {
        **document,
        "tool_call_id": one.tool_call_id,
        "title": one.title,
        "tool": one.tool,
        "arguments": one.arguments,
        "options": [
            {"option_id": option.option_id, "name": option.name, "kind": option.kind}
            for option in one.options
        ],
    }
