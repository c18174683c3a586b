"""What differs between two moments of a transcript that is long enough to be packed."""

import json
from typing import Any

import pytest

from api.v1.documents.diff import diff_json, diff_text, differences
from application.reads.diff import changes_between
from application.reads.query_results import Snapshot
from application.reads.transcript.entry_json import EntryJson
from application.reads.transcript.folded_entries import FoldedEntries
from domain.session.state import ABSENT
from infrastructure.records.codec import JsonCodec
from tests.support.builders import SESSION_ID

_ENTRIES = 3_000
_STRANGE = 'a "quoted" \\ id'


def _snapshot(sequence: int, entries: EntryJson) -> Snapshot:
    return Snapshot({"title": None, "status": "idle"}, ABSENT, sequence, sequence, entries, {})


@pytest.fixture(scope="module")
def moments() -> dict[int, tuple[Snapshot, dict[str, dict[str, Any]]]]:
    """Snapshots with what is in them, by their sequences."""
    folded = FoldedEntries(JsonCodec())
    plain: dict[str, dict[str, dict[str, Any]]] = {"messages": {}, "tool_calls": {}}
    past: dict[int, dict[str, dict[str, Any]]] = {}
    kept: EntryJson | None = None
    for sequence in range(1, _ENTRIES + 1):
        folded.sequence = sequence
        kind, part = ("message", "messages") if sequence % 2 else ("tool_call", "tool_calls")
        entry_id = f"{_STRANGE} {sequence}" if sequence % 1_000 == 1 else f"e-{sequence}"
        entry = {"id": entry_id, "kind": kind, "said": "x" * 1_000}
        folded.append(entry)
        plain[part][entry_id] = entry
        if sequence % 400 == 0:
            changed = {**folded[sequence // 2], "revised": sequence}
            folded[sequence // 2] = changed
            part = "tool_calls" if changed["kind"] == "tool_call" else "messages"
            plain[part][changed["id"]] = changed
        if sequence == 2_500:
            # Read then: what is packed anew later are no more the same blocks.
            kept = folded.json()
        if sequence in (1, 399, 401, 1_700, 2_500, _ENTRIES):
            past[sequence] = {name: dict(entries) for name, entries in plain.items()}
    found: dict[int, tuple[Snapshot, dict[str, dict[str, Any]]]] = {}
    for sequence, parts in past.items():
        entries = kept if sequence == 2_500 else folded.json_at(sequence)
        assert entries is not None
        found[sequence] = (_snapshot(sequence, entries), parts)
    return found


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        (1, 399),
        (399, 401),
        (401, 1_700),
        (1_700, _ENTRIES),
        (2_500, _ENTRIES),
        (1, _ENTRIES),
        (_ENTRIES, 399),
    ],
)
def test_each_entry_is_told_once_as_added_removed_or_changed(moments, earlier, later) -> None:
    (before, was), (after, became) = moments[earlier], moments[later]

    found = differences(SESSION_ID, before, after)
    document = json.loads(diff_json(found))

    for name in ("messages", "tool_calls"):
        one, other = was[name], became[name]
        assert document[name] == {
            "added": {key: entry for key, entry in other.items() if key not in one},
            "removed": {key: entry for key, entry in one.items() if key not in other},
            "changed": {
                key: {"from": entry, "to": other[key]}
                for key, entry in one.items()
                if key in other and entry != other[key]
            },
        }
    told = sum(len(document[name][kind]) for name in was for kind in document[name])
    assert diff_text(found).count("\n") == told + 1


def test_an_array_is_made_of_the_entries_of_its_moment(moments) -> None:
    for snapshot, parts in moments.values():
        entries = json.loads(b"[%s]" % b"".join(snapshot.transcript.array_pieces()))

        assert len(entries) == len(snapshot.transcript)
        assert {one["id"]: one for one in entries} == parts["messages"] | parts["tool_calls"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, True),
        (0, False),
        ([1], [True]),
        ([1], [1, 2]),
        ([1, 2], [1]),
        ({"a": 0}, {"a": False}),
        ({"a": 1}, {"a": 1, "b": None}),
        ({"a": 1, "b": None}, {"a": 1}),
        (None, False),
        ("1", 1),
    ],
)
def test_values_that_differ_do_so_however_deep_they_are(one: Any, other: Any) -> None:
    for earlier, later in ((one, other), ([{"in": one}], [{"in": other}])):
        assert changes_between({"key": earlier}, {"key": later}) == (
            {}, {}, {"key": (earlier, later)}
        )  # fmt: skip
        same = json.loads(json.dumps(earlier))
        assert changes_between({"key": earlier}, {"key": same}) == ({}, {}, {})
