"""Claude Code: its transcripts, with all that destroys lines of them."""

import shutil
from pathlib import Path

import pytest

from tests.importers.reading import SAMPLES, Imported, expected, imported

FOLDER = SAMPLES / "claude-code"
EXPECTED = expected("claude-code")
HEALTHY = "90a58d16-f685-2ef2-4688-e0193e864b47"
CORRUPT = "960806f0-338a-2332-9359-0dda805686a2"
OF_ITS_OWN = [
    name
    for name, told in EXPECTED.items()
    if not told["what"].startswith(("E ", "G ", "I ", "J ", "H ", "sub-agent"))
]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Imported]:
    return imported("claude-code", FOLDER / "projects", tmp_path_factory.mktemp("claude"))


@pytest.mark.parametrize("name", OF_ITS_OWN)
def test_a_transcript_comes_along_whole(name: str, found: dict[str, Imported]):
    told, one = EXPECTED[name], found[Path(name).stem]
    orphans = [
        block["tool_use_id"]
        for entry in one.kept("orphan_result")
        for block in entry["message"]["content"]
    ]
    assert len(one.calls()) == told["tool_use"]
    assert len(one.results()) + len(orphans) == told["tool_result"]
    errors = sum(data["status"] == "failed" for data in one.results())
    assert errors == told["tool_result_errors"]
    assert one.open_calls() == told["open_calls"]
    assert orphans == told["orphan_results"]


def test_what_is_broken_costs_one_record_and_not_the_file(found: dict[str, Imported]):
    one = found[CORRUPT]
    assert one.said() == [
        "line one",
        "line two",
        "spliced in after a cut",
        "glued one",
        "glued two",
        "after the zeros",
        "phantom parent",
        "half a pair: �…",
        "an hour earlier",
        "answered",
        "[1, 2]",
    ]
    assert [place.place for place in one.tally.places] == [
        f"{CORRUPT}, line {number}" for number in (3, 21, 22, 23)
    ]
    assert len(one.kept("unparsable")) == one.tally.failed_lines == 4
    assert one.tally.notes["lone_surrogate"] == 1
    # The same entry again, once with other things around it.
    assert one.tally.notes["duplicate_dropped"] == 2


def test_parallel_calls_a_queue_and_a_compaction_come_along(found: dict[str, Imported]):
    one = found[HEALTHY]
    results = {data["tool_call_id"]: data["status"] for data in one.results()}
    assert results == {
        "toolu_02": "failed",
        "toolu_01": "completed",
        "toolu_03": "completed",
        "toolu_04": "completed",
    }
    # Each line of a message repeats its usage; it counts once.
    assert len(one.of("usage.reported")) == 5
    assert one.data("input.dispatched") == [{"input_id": "queued-1"}]
    assert one.data("context.compacted")[0]["meta"]["preTokens"] == 15500
    assert one.data("summary.added")[0]["text"].startswith("This is a summary")
    assert one.data("session.renamed") == [{"title": "Fruit and trees"}]


def test_a_sub_agent_is_a_child_of_the_session_that_called_it(found: dict[str, Imported]):
    child = found[f"{HEALTHY}/agent-03c7c0ac"]
    parent = found[HEALTHY]
    assert child.session.created.lineage is not None
    assert child.session.created.lineage.parent_id == parent.session.session_id
    assert child.said() == ["count the trees", "There are 12 trees."]
    types = [event["type"] for event in parent.events]
    spawned = types.index("child.spawned")
    assert types[spawned - 1 : spawned + 2] == ["tool.called", "child.spawned", "child.reaped"]
    assert parent.data("child.spawned")[0]["child_id"] == str(child.session.session_id)


def test_a_side_chain_in_the_file_of_its_session_is_a_child_too(found: dict[str, Imported]):
    (name,) = [name for name in found if "/side-" in name]
    assert found[name].said() == ["p", "side answer"]
    assert found[name.partition("/")[0]].said() == ["delegate", "main answer"]


@pytest.mark.parametrize(
    ("name", "origin", "said"),
    [
        ("dfd329e2-9cb3-c70f-25ab-a1ff7157e4e8", HEALTHY, ["resumed under a new id", "yes"]),
        (
            "f6684a57-104d-bd21-c757-47b589378819",
            "7ed3be6b-75f3-16e5-2dd2-a55ab106f214",
            ["only in the branch", "branch answer"],
        ),
        ("e5482972-ffda-43ab-a1c9-522e6547008d", HEALTHY, []),
        (
            "1bc767e1-59ed-4db2-bf0b-09d51740d47b",
            "7ed3be6b-75f3-16e5-2dd2-a55ab106f214",
            [],
        ),
    ],
)
def test_a_copy_is_a_fork_with_what_is_new_in_it(
    name: str, origin: str, said: list[str], found: dict[str, Imported]
):
    one = found[name]
    assert one.said() == said
    assert one.session.forked_from is not None
    assert one.session.forked_from.session_id == found[origin].session.session_id


def test_a_copy_without_its_origin_is_a_session_of_its_own(tmp_path: Path):
    name = "dfd329e2-9cb3-c70f-25ab-a1ff7157e4e8"
    alone = tmp_path / f"{name}.jsonl"
    shutil.copyfile(FOLDER / "projects" / "-srv-demo-orchard" / alone.name, alone)
    one = imported("claude-code", alone, tmp_path / "out")[name]
    assert one.session.forked_from is None
    assert one.said()[0].startswith("Which is ripe today?")
    assert one.said()[-1] == "yes"


def test_what_was_rewound_is_kept_and_named(found: dict[str, Imported]):
    one = found["7ed3be6b-75f3-16e5-2dd2-a55ab106f214"]
    assert "dead branch answer" in one.said()
    assert [kept["superseded_turns"] for kept in one.kept("rewind")] == [["turn-2"]]
    assert one.data("session.tagged") == [{"tags": ["tagged"]}]
