"""What clients see of input that waits."""

from dataclasses import asdict
from typing import Any

from application.reads.inputs import standing_of, steers_of
from domain.session.state import Session
from domain.session.work import Input
from domain.values import rfc3339


def waiting_documents(session: Session) -> list[dict[str, Any]]:
    """Return all that waits, the next one first."""
    return [
        _document(session, one, place)
        for place, one in enumerate(session.inputs.in_order(), start=1)
    ]


def waiting_document(session: Session, input_id: str) -> dict[str, Any] | None:
    """Return an input that waits; None when it does not."""
    one = session.inputs.waiting.get(input_id)
    return (
        None if one is None else _document(session, one, standing_of(session, one).queue_position)
    )


def _document(session: Session, one: Input, place: int) -> dict[str, Any]:
    steers = steers_of(session, one)
    return {
        "input_id": one.input_id,
        "message_id": one.message_id,
        "parts": one.parts,
        "meta": one.meta,
        "model": one.model and asdict(one.model),
        "mode": "queue" if steers is None else "steer",
        "steers": steers,
        "source": one.source,
        "queue_position": place,
        "sequence": one.sequence,
        "queued_at": rfc3339(one.queued_at),
    }
