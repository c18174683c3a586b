"""From appends to what the function `append_batch_v1` of the database takes."""

import json
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from application.ports.access.seen_signatures import SignedRequest
from application.ports.log.append import Append
from application.ports.session.session_row import SessionRow
from domain.log.erased_records import erased_hash
from infrastructure.postgres.writing.arrays import (
    BigintArray,
    ByteaArray,
    TextArray,
    TimestampArray,
    UuidArray,
)


def arguments(batch: Iterable[Append]) -> dict[str, Any]:
    """Return the arrays and JSON that `append_batch_v1` takes.

    Args:
        batch: In the order of their positions, each before its companions, which are not looked
            for here; no two to one log.
    """
    events: list[tuple[Any, ...]] = []
    touched: list[tuple[Any, ...]] = []
    keys: list[tuple[Any, ...]] = []
    rows: list[dict[str, Any]] = []
    shared: list[dict[str, Any]] = []
    expected: list[dict[str, Any]] = []
    erased: list[bytes | None] = []
    signatures: list[dict[str, str]] = []
    count = 0
    for append in batch:
        session, sequence, first = append.session_id.int.to_bytes(16), append.before, count
        of_session = append.of_session
        for event in append.events:
            sequence += 1
            events.append((session, sequence, event.type.encode(), event.record, event.digest))
        count += len(append.events)
        if append.by_import or not of_session:
            hashes = [erased_hash(event.record) for event in append.events]
            if any(hashes):
                erased += [None] * (first - len(erased)) + hashes
        if append.row is not None:
            rows.append(_row_json(append, append.row, count))
        elif append.events and of_session:
            digest = append.events[-1].digest
            at, messages, tool = append.activity
            touched.append(
                (
                    session,
                    append.before,
                    sequence,
                    count,
                    digest,
                    append.at,
                    at,
                    messages,
                    (tool or "").encode(),
                )
            )
        for key in append.keys:
            made = key.sequence - append.before
            keys.append(
                (
                    key.scope.bytes,
                    key.key.encode(),
                    key.fingerprint,
                    key.session_id.bytes,
                    key.sequence,
                    first + made if made else 0,
                    key.position,
                    key.answer,
                    append.at,
                )
            )
        if append.shared:
            shared += _shared_json(append, first)
        signatures += map(_signature_json, append.signatures)
        for scope_id, version in append.expected_scopes:
            expected.append({"scope_id": str(scope_id), "version": version})
    e, t, k = _columns(events, 5), _columns(touched, 9), _columns(keys, 9)
    return {
        "e_session": UuidArray(e[0]),
        "e_sequence": BigintArray(e[1]),
        "e_type": TextArray(e[2]),
        "e_record": ByteaArray(e[3]),
        "e_digest": ByteaArray(e[4]),
        "e_erased": ByteaArray(erased),
        "t_session": UuidArray(t[0]),
        "t_before": BigintArray(t[1]),
        "t_after": BigintArray(t[2]),
        "t_offset": BigintArray(t[3]),
        "t_digest": ByteaArray(t[4]),
        "t_at": TimestampArray(t[5]),
        "t_activity": TimestampArray(t[6]),
        "t_messages": BigintArray(t[7]),
        "t_tool": TextArray(t[8]),
        "k_scope": UuidArray(k[0]),
        "k_key": TextArray(k[1]),
        "k_fingerprint": ByteaArray(k[2]),
        "k_session": UuidArray(k[3]),
        "k_sequence": BigintArray(k[4]),
        "k_offset": BigintArray(k[5]),
        "k_position": BigintArray(k[6]),
        "k_answer": ByteaArray(k[7]),
        "k_at": TimestampArray(k[8]),
        "rows": json.dumps(rows) if rows else None,
        "shared": json.dumps(shared) if shared else None,
        "expected": json.dumps(expected) if expected else None,
        "signatures": json.dumps(signatures) if signatures else None,
    }


def _columns(rows: list[tuple[Any, ...]], width: int) -> Sequence[Sequence[Any]]:
    return list(zip(*rows, strict=True)) if rows else [()] * width


def _row_json(append: Append, row: SessionRow, offset: int) -> dict[str, Any]:
    return {
        "id": str(append.session_id),
        "before": append.before,
        "after": append.before + len(append.events),
        "off": offset,
        "digest": append.events[-1].digest.hex(),
        "at": append.at.isoformat(),
        **row_columns(row),
        "by_import": append.by_import,
        "held": append.hold,
        # What is held neither needs the clock nor ends with its parent.
        **({"due_at": None, "live_parent": None} if append.hold else {}),
    }


def row_columns(row: SessionRow) -> dict[str, Any]:
    """Return a list row by the names of its columns, as JSON may hold it.

    Args:
        row: The row.
    """
    return {
        "created_at": row.created_at.isoformat(),
        "app": row.app,
        "user_id": row.user,
        "workspace": row.workspace,
        "team": row.team,
        "scope": row.scope,
        "agent": row.agent,
        "type": row.type,
        "status": row.status,
        "title": row.title,
        "marks": row.marks,
        "tags": row.tags,
        "deleted": row.deleted,
        "doc": row.doc,
        "badge": row.badge,
        "turn_id": row.turn_id,
        "failure_kind": row.failure_kind,
        "failure_summary": row.failure_summary,
        "stalled": row.stalled,
        "unhealthy": row.unhealthy,
        "parent_id": _text(row.parent_id),
        "root_id": _text(row.root_id),
        "forked_from": _text(row.forked_from),
        "auto_stop": row.auto_stop,
        "live_parent": _text(row.live_parent),
        "due_at": None if row.due_at is None else row.due_at.isoformat(),
        "projected_with": row.projected_with,
        "last_activity_at": row.activity.last_activity_at.isoformat(),
        "num_messages": row.activity.num_messages,
        "current_tool": row.activity.current_tool,
        "external_id": row.external_id,
        "facets": row.facets,
        "input_tokens": row.input_tokens,
        "output_tokens": row.output_tokens,
        "cost": row.cost,
    }


def _signature_json(signed: SignedRequest) -> dict[str, str]:
    return {
        "hashed": signed.hashed.hex(),
        "request": str(signed.request),
        "until": signed.until.isoformat(),
    }


def _text(session_id: UUID | None) -> str | None:
    return None if session_id is None else str(session_id)


def _shared_json(append: Append, first: int) -> list[dict[str, Any]]:
    return [
        {
            "scope_id": str(write.scope_id),
            "key": write.key,
            "off": first + write.offset + 1,
            "value": None if write.value is None else write.value.decode(),
            "session_id": str(append.session_id),
            "sequence": append.before + write.offset + 1,
        }
        for write in append.shared
    ]
