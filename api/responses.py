"""Making answers out of stored bytes, without decoding what is already JSON."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from litestar.response.base import ASGIResponse

from application.handle import Outcome
from application.ports import ListedSession, StoredEvent
from domain.values import rfc3339

JSON = "application/json"
_encode = msgspec.json.Encoder().encode


def to_json(value: Any) -> bytes:
    """Return a value as UTF-8 JSON."""
    return _encode(value)


def etag(sequence: int) -> str:
    """Return the ETag of a session at a sequence."""
    return f'"{sequence}"'


def json_response(
    body: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> ASGIResponse:
    """Return an answer with a JSON body."""
    return ASGIResponse(body=body, status_code=status, media_type=JSON, headers=dict(headers or {}))


def not_modified(sequence: int) -> ASGIResponse:
    """Return 304: the client has this sequence already."""
    return ASGIResponse(status_code=304, headers={"ETag": etag(sequence)})


def outcome_response(
    outcome: Outcome,
    *,
    status: int = 200,
    location: str | None = None,
    first_sequence: bool = False,
) -> ASGIResponse:
    """Return the answer to an accepted command.

    Args:
        outcome: What became of it.
        status: 201 when it made something.
        location: Where that is.
        first_sequence: Say where its events begin too.
    """
    body: dict[str, Any] = {**outcome.answer}
    if first_sequence:
        body["first_sequence"] = outcome.first_sequence
    body["sequence"], body["position"] = outcome.sequence, outcome.position
    headers = {"ETag": etag(outcome.sequence)}
    if location is not None:
        headers["Location"] = location
    if outcome.replayed:
        headers["Idempotent-Replayed"] = "true"
    return json_response(_encode(body), status=status, headers=headers)


def record_json(event: StoredEvent) -> bytes:
    """Return the public form of an event: its place, its digest, and the stored bytes."""
    return b'{"session_id":"%s","sequence":%d,"position":%d,"digest":"%s",%s' % (
        str(event.session_id).encode(),
        event.sequence,
        event.position,
        event.digest.hex().encode(),
        event.record[1:],
    )


def records_json(events: Iterable[StoredEvent]) -> bytes:
    """Return events as a JSON array."""
    return b"[%s]" % b",".join(map(record_json, events))


def array_json(items: Sequence[bytes]) -> bytes:
    """Return values that are JSON already as an array."""
    return b"[%s]" % b",".join(items)


def session_json(row: ListedSession) -> bytes:
    """Return a session as lists show it."""
    moved = {
        "sequence": row.sequence,
        "position": row.position,
        "updated_at": rfc3339(row.updated_at),
    }
    return row.doc.encode()[:-1] + b"," + _encode(moved)[1:]
