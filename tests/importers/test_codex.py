"""Codex: rollouts of every era, in pages, as forks and as sub-agents."""

import json
from pathlib import Path
from typing import Any

import pytest

from application.transfer.lines import FileFault
from tests.importers.reading import SAMPLES, Imported, expected, imported
from tests.support.builders import state_after

FOLDER = SAMPLES / "codex"
EXPECTED = expected("codex")
HEALTHY = "019c38db-789d-7f87-8daa-83ce742f582d"
SUB_AGENT = "019ca076-7ebd-7a9e-8935-dfeac9d1b122"
FORK = "019c844e-b3c4-771e-8fa4-9c0f0e4d464c"
CORRUPT = "019c9896-a355-7b94-84b2-dc7158a2cb38"
PAGED = "019ca1d1-2d75-7171-87bb-8b22df7fd827"
# What providers answer themselves has no line of its own for its answer.
SEARCHES = {HEALTHY: 1}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Imported]:
    return imported("codex", FOLDER / "sessions", tmp_path_factory.mktemp("codex"))


@pytest.mark.parametrize(
    "name", [name for name, told in EXPECTED.items() if told["what"][0] not in "CD"]
)
def test_a_rollout_comes_along_whole(name: str, found: dict[str, Imported]):
    told = EXPECTED[name]
    (one,) = [one for native, one in found.items() if f"-{native}" in name]
    searches = SEARCHES.get(one.session.source_id, 0)
    orphans = [item["call_id"] for item in one.kept("orphan_result")]
    assert len(one.calls()) - searches == told["calls"]
    assert len(one.results()) - searches + len(orphans) == told["outputs"]
    assert one.open_calls() == told["open_calls"]
    assert orphans == told["orphan_outputs"]
    assert len(one.of("turn.completed", "turn.cancelled")) == told["turns_ended"]
    started = told["turns_started"]
    assert len(one.of("turn.started")) == max(started, 1)


def test_pages_of_a_thread_are_one_session(found: dict[str, Imported]):
    one = found[PAGED]
    assert [text for text in one.said() if not text.startswith("<")] == [
        "paged question",
        "paged answer",
        "second page",
        "second page answer",
    ]
    assert one.tally.notes["ordinal_gap"] == 0


def test_a_fork_has_what_is_its_own(found: dict[str, Imported]):
    one = found[FORK]
    (told,) = [told for told in EXPECTED.values() if "inherited_lines" in told]
    assert one.tally.notes["inherited_line"] == told["inherited_lines"]
    assert one.said() == ["only in the fork", "fork answer"]
    point = one.session.forked_from
    assert point is not None
    assert point.session_id == found[HEALTHY].session.session_id
    assert found[HEALTHY].events[point.sequence - 1]["type"] == "turn.completed"


def test_a_sub_agent_is_a_child_without_what_its_parent_said(found: dict[str, Imported]):
    one, parent = found[SUB_AGENT], found[HEALTHY]
    assert one.said() == ["count the trees", "Twelve trees."]
    assert one.session.created.lineage is not None
    assert one.session.created.lineage.parent_id == parent.session.session_id
    assert parent.data("child.spawned")[0]["child_id"] == str(one.session.session_id)


def test_messages_that_are_written_twice_come_once(found: dict[str, Imported]):
    said = found[HEALTHY].said()
    assert said.count("Looking at all three.") == 1
    assert said.count("what is this?") == 1
    assert found[HEALTHY].tally.notes["said_twice"] == 10


def test_what_was_rolled_back_and_compacted_is_named_and_kept(found: dict[str, Imported]):
    one = found[HEALTHY]
    assert [kept["superseded_turns"] for kept in one.kept("thread_rolled_back")] == [["turn-3"]]
    (compacted,) = one.data("context.compacted")
    assert len(compacted["meta"]["replacement_history"]) == 2
    assert one.data("session.renamed") == [{"title": "Fruit"}]


def test_turns_that_were_rolled_back_count_no_more(found: dict[str, Imported], tmp_path: Path):
    one = found[HEALTHY]
    (back,) = one.of("conversation.rewound")
    (gone,) = [event for event in one.of("turn.started") if event["turn_id"] == "turn-3"]
    assert back["data"]["to"] == gone["sequence"] - 1
    said = {"turn.started", "message.added", "agent.message"}
    kept = [event for event in one.events if event["type"] in said]
    left = [e for e in kept if not gone["sequence"] <= e["sequence"] <= back["sequence"]]
    assert state_after(one.recorded()).spoken.messages == len(left)

    def line(kind: str, **payload: Any) -> dict[str, Any]:
        return {"timestamp": "2026-10-03T08:00:00Z", "type": kind, "payload": payload}

    lines = [line("session_meta", id="019c38db-789d-7f87-8daa-83ce742f5000", cwd="/srv")]
    for name, back_by in (("t1", 0), ("t2", 0), ("t3", 1), ("t4", 2), ("t5", 0), ("t6", 9)):
        asked = [{"type": "input_text", "text": name}]
        lines += [
            line("event_msg", type="task_started", turn_id=name),
            line("response_item", type="message", role="user", content=asked),
            line("event_msg", type="task_complete", turn_id=name),
        ]
        if back_by:
            lines.append(line("event_msg", type="thread_rolled_back", num_turns=back_by))
    path = tmp_path / "rollout-2026-10-03T08-00-00-019c38db-789d-7f87-8daa-83ce742f5000.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)) + "\n", "utf-8")
    (two,) = imported("codex", path, tmp_path / "made").values()
    gone_each_time = [kept["superseded_turns"] for kept in two.kept("thread_rolled_back")]
    assert gone_each_time == [["t3"], ["t2", "t4"], []]
    began = {event["turn_id"]: event["sequence"] for event in two.of("turn.started")}
    assert [data["to"] for data in two.data("conversation.rewound")] == [
        began["t3"] - 1,
        began["t2"] - 1,
    ]
    assert state_after(two.recorded()).spoken.messages == 3


def test_what_is_broken_costs_one_record_and_not_the_file(found: dict[str, Imported]):
    one = found[CORRUPT]
    assert one.said() == ["before the damage", "glued one", "half a pair �", "the last line is cut"]
    places = [place.place for place in one.tally.places]
    assert places == [f"{CORRUPT}, line 6", f"{CORRUPT}, line 19"]
    (called,) = [data for data in one.data("tool.called") if data["name"] == "broken_args"]
    assert called["input"] == "{not json"
    assert one.tally.notes["unparsable_arguments"] == 1


def test_a_file_without_a_header_has_the_id_of_its_name(found: dict[str, Imported]):
    assert found["019ce1c4-46cb-7fad-8862-5fedad79a9ec"].said() == ["no header", "none"]


def test_a_compressed_file_is_read_and_what_is_none_refused(tmp_path: Path):
    (packed,) = (FOLDER / "sessions").rglob("*.zst")
    (one,) = imported("codex", packed, tmp_path / "out").values()
    assert one.said() == ["cold", "stored cold"]
    broken = tmp_path / packed.name
    broken.write_bytes(packed.read_bytes()[:-20])
    with pytest.raises(FileFault, match="its end is missing"):
        imported("codex", broken, tmp_path / "out2")
