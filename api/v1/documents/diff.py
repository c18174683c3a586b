"""What clients see of the differences between two moments of a session."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from api.http.outgoing.responses import from_json, to_json
from api.v1.documents.inputs import waiting_documents
from api.v1.documents.sessions import pending_documents
from application.reads.diff import changes_between, differs
from application.reads.query_results import Snapshot
from application.reads.transcript.entry_json import Run, changed_entries


class _Head(msgspec.Struct):
    """What an entry of a transcript begins with."""

    id: msgspec.Raw
    kind: str


_head = msgspec.json.Decoder(_Head).decode
_lines_of = re.compile(rb'^(?=\{"id":("[^"\\]*"),"kind":"(\w+)")(.+)$', re.MULTILINE).findall
_FACTS = ("title", "status")
_ENTRIES = ("messages", "tool_calls")
_CALL = b"tool_call"

_Pair = tuple[bytes, bytes]


class PartDiff(NamedTuple):
    """What differs in one part of a session; keys and values are JSON.

    Args:
        added: The key and the value of each that is only at the later moment.
        removed: The key and the value of each that is only at the earlier moment.
        changed: The key, the earlier and the later value of each that is at both, and differs.
    """

    added: Sequence[_Pair]
    removed: Sequence[_Pair]
    changed: Sequence[tuple[bytes, bytes, bytes]]


class SessionDifferences(NamedTuple):
    """What differs between two moments of a session.

    Args:
        session_id: Which one.
        earlier: The sequence of the earlier moment.
        later: The sequence of the later one.
        facts: By the name of each single value that differs, both in JSON; None when it is alike.
        parts: What differs in each part, by its name.
    """

    session_id: UUID
    earlier: int
    later: int
    facts: Mapping[str, _Pair | None]
    parts: Mapping[str, PartDiff]


def differences(session_id: UUID, before: Snapshot, after: Snapshot) -> SessionDifferences:
    """Return what differs between two snapshots of a session.

    Args:
        session_id: Which one.
        before: The earlier snapshot.
        after: The later snapshot.
    """
    facts: dict[str, _Pair | None] = {}
    for name in _FACTS:
        pair = before.document[name], after.document[name]
        facts[name] = (to_json(pair[0]), to_json(pair[1])) if differs(*pair) else None
    # Nearly all of a long transcript is alike, and need not even be read.
    entries = changed_entries(before.transcript, after.transcript)
    earlier_ones, later_ones = _by_id(entries.mine), _by_id(entries.theirs)
    removed, added = _of_runs(entries.only_mine), _of_runs(entries.only_theirs)
    parts, later_parts = _parts(before), _parts(after)
    return SessionDifferences(
        session_id,
        before.sequence,
        after.sequence,
        facts,
        {
            **{
                name: _entry_diff(earlier_ones[name], later_ones[name], removed[name], added[name])
                for name in _ENTRIES
            },
            **{name: _part_diff(parts[name], later_parts[name]) for name in parts},
        },
    )


def _by_id(entries: Iterable[bytes]) -> dict[str, dict[bytes, bytes]]:
    """Return entries by their ids as JSON, each as it is stored, for each part they are in."""
    found: dict[str, dict[bytes, bytes]] = {name: {} for name in _ENTRIES}
    for entry in entries:
        head = _head(entry)
        name = "tool_calls" if head.kind == "tool_call" else "messages"
        found[name][bytes(head.id)] = entry
    return found


def _of_runs(runs: Iterable[Run]) -> dict[str, list[_Pair]]:
    """Return the ids as JSON and the entries of runs, for each part they are in."""
    found: dict[str, list[_Pair]] = {name: [] for name in _ENTRIES}
    for run in runs:
        lines = _lines_of(run.text)
        if len(lines) == run.count:
            found["tool_calls"] += [(key, one) for key, kind, one in lines if kind == _CALL]
            found["messages"] += [(key, one) for key, kind, one in lines if kind != _CALL]
        else:
            # Ids may hold what JSON escapes.
            for name, entries in _by_id(run.entries()).items():
                found[name] += entries.items()
    return found


def _entry_diff(
    before: Mapping[bytes, bytes],
    after: Mapping[bytes, bytes],
    removed: Sequence[_Pair],
    added: Sequence[_Pair],
) -> PartDiff:
    """Return what differs between entries; those at one moment alone are not looked into."""
    return PartDiff(
        [*added, *(one for one in after.items() if one[0] not in before)],
        [*removed, *(one for one in before.items() if one[0] not in after)],
        [
            (key, to_json(earlier), to_json(later))
            for key in before
            if key in after
            and differs(earlier := from_json(before[key]), later := from_json(after[key]))
        ],
    )


def _parts(snapshot: Snapshot) -> dict[str, Mapping[str, Any]]:
    return {
        "state": snapshot.state,
        "inputs": {one["input_id"]: one for one in waiting_documents(snapshot.session)},
        "interactions": {one["request_id"]: one for one in pending_documents(snapshot.session)},
    }


def _part_diff(before: Mapping[str, Any], after: Mapping[str, Any]) -> PartDiff:
    found = changes_between(before, after)
    return PartDiff(
        [(to_json(key), to_json(value)) for key, value in found.added.items()],
        [(to_json(key), to_json(value)) for key, value in found.removed.items()],
        [
            (to_json(key), to_json(earlier), to_json(later))
            for key, (earlier, later) in found.changed.items()
        ],
    )


def diff_json(found: SessionDifferences) -> bytes:
    """Return a diff as JSON, with the stored JSON of entries as it is.

    Args:
        found: What differs.
    """
    pieces = [
        b'{"session_id":%s,"from":%d,"to":%d'
        % (to_json(found.session_id), found.earlier, found.later)
    ]
    for name, both in found.facts.items():
        shown = b"null" if both is None else b'{"from":%s,"to":%s}' % both
        pieces.append(b',"%s":%s' % (name.encode(), shown))
    for name, part in found.parts.items():
        pieces.append(b',"%s":{"added":{' % name.encode())
        pieces += _members(part.added)
        pieces.append(b'},"removed":{')
        pieces += _members(part.removed)
        pieces.append(b'},"changed":{')
        pieces.append(b",".join([b'%b:{"from":%b,"to":%b}' % one for one in part.changed]))
        pieces.append(b"}}")
    pieces.append(b"}")
    return b"".join(pieces)


def _members(pairs: Sequence[_Pair]) -> list[bytes]:
    """Return what the members of an object are made of; to be joined once, and copied once."""
    found: list[bytes] = []
    for key, value in pairs:
        found += (key, b":", value, b",")
    return found[:-1]


def diff_text(found: SessionDifferences) -> str:
    """Return a diff as text for people: a line for each difference.

    Args:
        found: What differs.
    """
    return "".join(f"{line}\n" for line in _lines(found))


def _lines(found: SessionDifferences) -> Iterator[str]:
    yield f"session {found.session_id}: from {found.earlier} to {found.later}"
    for name, both in found.facts.items():
        if both is not None:
            yield f"~ {name}: {both[0].decode()} -> {both[1].decode()}"
    for name, part in found.parts.items():
        for sign, pairs in (("+", part.added), ("-", part.removed)):
            for key, value in pairs:
                yield f"{sign} {name} {key.decode()}: {value.decode()}"
        for key, earlier, later in part.changed:
            yield f"~ {name} {key.decode()}: {earlier.decode()} -> {later.decode()}"
