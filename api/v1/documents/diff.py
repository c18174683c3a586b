"""What clients see of the differences between two moments of a session."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from api.http.outgoing.responses import from_json, to_json
from api.v1.documents.inputs import waiting_documents
from api.v1.documents.sessions import pending_documents
from application.reads.diff import changes_between
from application.reads.query_results import Snapshot
from application.reads.transcript.entry_json import changed_entries


class _Head(msgspec.Struct):
    """What an entry of a transcript begins with."""

    id: str
    kind: str


_head = msgspec.json.Decoder(_Head).decode
_plain_head = re.compile(rb'\{"id":"([^"\\]*)","kind":"(\w+)"').match
_FACTS = ("title", "status")
_SIGNS = {"added": "+", "removed": "-", "changed": "~"}


def diff_document(session_id: UUID, before: Snapshot, after: Snapshot) -> dict[str, Any]:
    """Return what differs between two snapshots of a session.

    Args:
        session_id: Which one.
        before: The earlier snapshot.
        after: The later snapshot.
    """
    facts = ({name: one.document[name] for name in _FACTS} for one in (before, after))
    changed = changes_between(*facts).changed
    # Nearly all of a long transcript is alike, and need not even be read.
    entries = changed_entries(before.transcript, after.transcript)
    parts, later_parts = _parts(before, entries[0]), _parts(after, entries[1])
    for name in ("messages", "tool_calls"):
        for entry_id in parts[name].keys() & later_parts[name].keys():
            for part in (parts[name], later_parts[name]):
                part[entry_id] = from_json(part[entry_id])
    return {
        "session_id": session_id,
        "from": before.sequence,
        "to": after.sequence,
        **{name: _both(changed[name]) if name in changed else None for name in _FACTS},
        **{name: _changes(parts[name], later_parts[name]) for name in parts},
    }


def _parts(snapshot: Snapshot, changed: Sequence[bytes]) -> dict[str, dict[str, Any]]:
    messages: dict[str, Any] = {}
    calls: dict[str, Any] = {}
    for entry in changed:
        # As it is stored: most of them are shown whole, and none is looked into.
        if plain := _plain_head(entry):
            entry_id, is_call = plain[1].decode(), plain[2] == b"tool_call"
        else:
            head = _head(entry)
            entry_id, is_call = head.id, head.kind == "tool_call"
        (calls if is_call else messages)[entry_id] = msgspec.Raw(entry)
    return {
        "messages": messages,
        "tool_calls": calls,
        "state": dict(snapshot.state),
        "inputs": {one["input_id"]: one for one in waiting_documents(snapshot.session)},
        "interactions": {one["request_id"]: one for one in pending_documents(snapshot.session)},
    }


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    found = changes_between(before, after)
    changed = {key: _both(pair) for key, pair in found.changed.items()}
    return {"added": found.added, "removed": found.removed, "changed": changed}


def _both(pair: tuple[Any, Any]) -> dict[str, Any]:
    return {"from": pair[0], "to": pair[1]}


def diff_text(document: Mapping[str, Any]) -> str:
    """Return a diff as text for people: a line for each difference.

    Args:
        document: What `diff_document` returned.
    """
    return "".join(f"{line}\n" for line in _lines(document))


def _lines(document: Mapping[str, Any]) -> Iterator[str]:
    yield f"session {document['session_id']}: from {document['from']} to {document['to']}"
    for name in _FACTS:
        if document[name] is not None:
            yield f"~ {name}: {_arrow(document[name])}"
    for name in ("messages", "tool_calls", "state", "inputs", "interactions"):
        for kind, sign in _SIGNS.items():
            for key, value in document[name][kind].items():
                shown = _arrow(value) if kind == "changed" else to_json(value).decode()
                yield f"{sign} {name} {to_json(key).decode()}: {shown}"


def _arrow(both: Mapping[str, Any]) -> str:
    return f"{to_json(both['from']).decode()} -> {to_json(both['to']).decode()}"
