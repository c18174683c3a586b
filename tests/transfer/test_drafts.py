"""Sessions of other systems become export files that verify, the same ones in every run."""

import json
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from application.transfer.foreign import Draft, ForeignSession, ForkPoint, foreign_session_id
from application.transfer.lines import event_of, header_of
from domain.log.chain import genesis, link, record_hash
from infrastructure.records.codec import JsonCodec
from infrastructure.transfer.foreign_folder import write_foreign
from tests.support.builders import added, completed, created, started

BEGAN = datetime(1969, 12, 31, 23, 0, tzinfo=UTC)
ADA = foreign_session_id("adk", "shop", "ada", "1")


def plain(
    session_id: UUID = ADA,
    texts: tuple[str, ...] = ("one", "two"),
    forked_from: ForkPoint | None = None,
    drafts: list[Draft] | None = None,
) -> ForeignSession:
    said = [Draft(event=added(f"m{n}", content), at=BEGAN) for n, content in enumerate(texts)]
    return ForeignSession(
        source="adk",
        source_id=str(session_id),
        session_id=session_id,
        created=created(),
        created_at=BEGAN,
        drafts=said if drafts is None else drafts,
        forked_from=forked_from,
    )


def test_ids_of_foreign_sessions_differ_wherever_their_parts_do():
    assert foreign_session_id("adk", "ab", "c") != foreign_session_id("adk", "a", "bc")
    assert foreign_session_id("adk", "1") != foreign_session_id("codex", "1")
    assert foreign_session_id("adk", "1") == foreign_session_id("adk", "1")


def test_the_file_of_a_foreign_session_is_a_whole_chain(tmp_path: Path):
    reports = write_foreign([plain()], tmp_path, JsonCodec())
    first, *lines = (tmp_path / "sessions" / f"{ADA}.jsonl").read_bytes().splitlines()
    header, digest = header_of(first, "it"), genesis(ADA)
    for number, line in enumerate(lines, 1):
        event = event_of(line)
        assert event is not None
        assert event.sequence == number
        digest = link(digest, record_hash(event.record))
        assert event.digest == digest
        assert json.loads(line)["origin"] == "import"
    assert (header.events, header.head, header.digest) == (3, 3, digest)
    assert header.identity == {"app": "console", "user": "ada"}
    assert reports["adk"].document()["events"] == 3


def test_a_second_run_makes_the_same_bytes(tmp_path: Path):
    made = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_foreign([plain()], tmp_path / name, JsonCodec())
        made.append((tmp_path / name / "sessions" / f"{ADA}.jsonl").read_bytes())
    assert made[0] == made[1]


def test_an_id_that_is_made_depends_on_all_that_came_before(tmp_path: Path):
    ids = []
    for name, texts in (("a", ("one", "two")), ("b", ("another", "two"))):
        (tmp_path / name).mkdir()
        write_foreign([plain(texts=texts)], tmp_path / name, JsonCodec())
        lines = (tmp_path / name / "sessions" / f"{ADA}.jsonl").read_bytes().splitlines()
        ids.append([json.loads(line)["id"] for line in lines[1:]])
    assert ids[0][0] == ids[1][0]
    assert ids[0][2] != ids[1][2]
    assert {UUID(one).version for one in ids[0]} == {8}


def test_what_happens_in_a_turn_belongs_to_it(tmp_path: Path):
    drafts = [Draft(event=event, at=BEGAN) for event in (started("t1"), completed("t1"))]
    write_foreign([plain(drafts=drafts)], tmp_path, JsonCodec())
    lines = (tmp_path / "sessions" / f"{ADA}.jsonl").read_bytes().splitlines()
    assert [json.loads(line).get("turn_id") for line in lines[1:]] == [None, "t1", "t1"]


def test_a_fork_names_the_digest_of_the_event_that_it_leaves_its_origin_after(tmp_path: Path):
    other = foreign_session_id("adk", "branch")
    fork = plain(other, forked_from=ForkPoint(ADA, 2))
    write_foreign([plain(), fork], tmp_path, JsonCodec())
    origin = (tmp_path / "sessions" / f"{ADA}.jsonl").read_bytes().splitlines()
    first, begun, *_ = (tmp_path / "sessions" / f"{other}.jsonl").read_bytes().splitlines()
    wanted = {
        "session_id": str(ADA),
        "sequence": 2,
        "digest": json.loads(origin[2])["digest"],
    }
    assert header_of(first, "it").forked_from == wanted
    assert json.loads(begun)["data"]["forked_from"] == wanted


def test_a_fork_before_its_origin_is_refused(tmp_path: Path):
    fork = plain(foreign_session_id("adk", "x"), forked_from=ForkPoint(ADA, 2))
    with pytest.raises(ValueError, match="does not come before it"):
        write_foreign([fork], tmp_path, JsonCodec())


def test_a_session_that_comes_twice_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="was there before"):
        write_foreign([plain(), plain()], tmp_path, JsonCodec())
