"""Verification over HTTP: what is whole is said to be, and each damage is found where it is."""

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest

from api.cli import main
from domain.access.events import ACCESS_LOG
from tests.audit.conftest import Audited
from tests.support.api import HELLO, Api, SessionApi, refused
from tests.support.server import running


def tamper(audited: Audited, *statements: str) -> None:
    with psycopg.connect(audited.database, autocommit=True) as connection:
        connection.execute("alter table events disable trigger user")
        for statement in statements:
            connection.execute(statement.encode())


def verified(audited: Audited, session: SessionApi) -> dict[str, Any]:
    report: dict[str, Any] = audited.api.get(f"/v1/sessions/{session.id}/verify").json()
    return report


def all_of(audited: Audited, query: str = "") -> list[dict[str, Any]]:
    text = audited.api.get(f"/v1/audit/verify{query}").text
    return [json.loads(line) for line in text.splitlines()]


def codes(report: dict[str, Any]) -> list[tuple[str, int | None]]:
    return [(one["code"], one["sequence"]) for one in report["findings"]]


@pytest.fixture
def session(audited: Audited) -> SessionApi:
    session = audited.api.create(state={"colour": "blue", "user:name": "Ada"})
    session.say()
    session.start("t1")
    session.patch("/state", {"set": {"colour": "red"}})
    return session


def test_what_is_whole_is_said_to_be(audited: Audited, session: SessionApi) -> None:
    fork = audited.api.post(f"/v1/sessions/{session.id}/fork", {}).json()["session"]["id"]
    deleted = audited.api.create()
    deleted.delete()
    report = verified(audited, session)
    well = {"ok": True, "findings": [], "findings_omitted": 0}
    assert report == {"sessions": 1, "events": session.head, **well}
    first, *lines, last = all_of(audited)
    assert first["expected"] == len(lines)
    assert {session.id, fork, deleted.id} <= {line["session_id"] for line in lines}
    assert all(line["findings"] == [] for line in lines)
    head = audited.api.feed_head()
    assert last == {"sessions": len(lines), "events": head, **well}


def test_the_sum_tells_again_no_more_than_fits(
    audited: Audited, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.v1.routes.evidence.verification._AT_THE_END", 2)
    broken = sorted(audited.api.create().id for _ in range(4))
    tamper(audited, "update events set state = state || ' ' where originator_version = 1")
    tamper(audited, f"delete from events where originator_id = '{broken[0]}'")
    *lines, last = all_of(audited)
    found = [one for line in lines[1:] for one in line["findings"]]
    assert {one["session_id"] for one in found} >= {*broken}
    told = [one for one in last["findings"] if one["session_id"] is not None]
    whole = [one for one in last["findings"] if one["session_id"] is None]
    assert whole
    assert told == found[:2]
    assert last["findings_omitted"] == len(found) - 2
    with pytest.raises(SystemExit, match="1"):
        main(["verify", "--all", "--json", "--url", audited.url])
    report = json.loads(capsys.readouterr().out)
    assert [one["code"] for one in report["findings"]] == [one["code"] for one in found + whole]


CHANGED = "convert_to(replace(convert_from(state, 'UTF8'), 'Hello', 'Hullo'), 'UTF8')"
NEWER = CHANGED.replace("Hello", '"v":1').replace("Hullo", '"v":9')
SECOND = "where {it} and originator_version = 2"
DAMAGE = {
    "a changed byte": (f"update events set state = {CHANGED} {SECOND}", ("digest_mismatch", 2)),
    "a wrong digest": (
        f"update events set digest = sha256('x') {SECOND}",
        ("digest_mismatch", 2),
    ),
    "a hole": (f"delete from events {SECOND}", ("event_sequence_gap", 3)),
    "a cut tail": (
        "delete from events where {it} and originator_version > 2",
        ("event_head_mismatch", 2),
    ),
    "a head ahead": (
        "update sessions set sequence = sequence + 1 where {row}",
        ("event_head_mismatch", 4),
    ),
    "the digest of another head": (
        "update sessions set digest = sha256('x') where {row}",
        ("event_head_mismatch", 4),
    ),
    "the position of another head": (
        "update sessions set position = position + 1000 where {row}",
        ("event_head_mismatch", 4),
    ),
    "a stale row": (
        "update sessions set title = 'other' where {row}",
        ("read_model_mismatch", 4),
    ),
    "a row that is gone": ("delete from sessions where {row}", ("event_head_mismatch", 4)),
    "a row whose document is lost": (
        "update sessions set doc = '{{}}' where {row}",
        ("read_model_mismatch", 4),
    ),
    "no JSON": (f"update events set state = 'x' {SECOND}", ("invalid_event_json", 2)),
    "a changed type": (
        f"update events set topic = 'agent.thought' {SECOND}",
        ("event_type_mismatch", 2),
    ),
    "an unknown version": (
        f"update events set state = {NEWER} {SECOND}",
        ("unknown_event_version", 2),
    ),
    "said to be erased": (
        f"update events set erased_hash = sha256(state) {SECOND}",
        ("digest_mismatch", 2),
    ),
}


@pytest.mark.parametrize(("statement", "found"), DAMAGE.values(), ids=DAMAGE)
def test_damage_is_found_where_it_is(
    audited: Audited, session: SessionApi, statement: str, found: tuple[str, int]
) -> None:
    other = audited.api.create()
    assert session.head == 4
    it, row = f"originator_id = '{session.id}'", f"session_id = '{session.id}'"
    tamper(audited, statement.format(it=it, row=row))
    assert found in codes(verified(audited, session))
    assert verified(audited, other)["ok"]
    *lines, last = all_of(audited)[1:]
    assert not last["ok"]
    assert found in codes(last)
    assert [line["session_id"] for line in lines if line["findings"]] == [session.id]


@pytest.mark.parametrize("record", ["\\xff00", "{}", '{"type":"x"}'])
def test_a_session_whose_beginning_is_damaged_is_exported_as_evidence(
    audited: Audited, session: SessionApi, record: str, tmp_path: Path
) -> None:
    before = audited.api.get(f"{session.path}/export").content.splitlines()
    first = f"where originator_id = '{session.id}' and originator_version = 1"
    tamper(audited, f"update events set state = '{record}' {first}")
    answer = audited.api.get(f"{session.path}/export")
    assert answer.status_code == 200, answer.text
    header, *lines = answer.content.splitlines()
    assert json.loads(header) == json.loads(before[0])
    assert lines[1:] == before[2:]
    exported = audited.api.post("/v1/sessions/batch/export", {"session_ids": [session.id]})
    assert exported.status_code == 200
    file = tmp_path / "evidence.jsonl"
    file.write_bytes(answer.content)
    with pytest.raises(SystemExit, match="1"):
        main(["repair", "--file", str(file), "--format", "cairn"])


@pytest.mark.parametrize("record", ["\\xff00", "{}"])
def test_commands_to_a_session_whose_beginning_is_damaged_are_refused_as_damage(
    audited: Audited, session: SessionApi, record: str
) -> None:
    first = f"where originator_id = '{session.id}' and originator_version = 1"
    tamper(audited, f"update events set state = '{record}' {first}")
    with running(audited.database) as another:
        api = Api(another)
        for path, body in (
            ("messages", {"role": "user", "parts": HELLO}),
            ("turns", {"turn_id": "t2", "input": {"parts": HELLO}}),
            ("fork", {}),
            ("stop", {}),
        ):
            refused(api.post(f"{session.path}/{path}", body), 500, "log_damaged")
        api.close()


def test_what_is_added_to_a_session_without_a_row_is_refused_as_damage(
    audited: Audited, session: SessionApi
) -> None:
    tamper(audited, f"delete from sessions where session_id = '{session.id}'")
    said = {"role": "user", "parts": HELLO}
    refused(session.post("/messages", said), 500, "log_damaged")


def test_an_event_beyond_the_head_of_the_log_is_found_and_mended_as_the_handbook_says(
    audited: Audited, session: SessionApi
) -> None:
    tamper(audited, "update log_head set head = head - 1")
    last = all_of(audited)[-1]
    assert codes(last) == [("position_beyond_head", None)]
    said = {"role": "user", "parts": HELLO}
    assert (
        refused(session.post("/messages", said), 503, "store_unavailable")["reason"] == "corrupted"
    )
    tamper(audited, "update log_head set head = (select max(notification_id) from events)")
    assert all_of(audited)[-1]["findings"] == []
    session.say()


def test_a_session_that_is_gone_altogether_leaves_a_gap(
    audited: Audited, session: SessionApi
) -> None:
    audited.api.create()
    tamper(
        audited,
        f"delete from events where originator_id = '{session.id}'",
        f"delete from sessions where session_id = '{session.id}'",
    )
    last = all_of(audited)[-1]
    assert codes(last) == [("position_gap", None)]
    answer = audited.api.get(f"/v1/sessions/{session.id}/verify")
    assert answer.status_code == 404


def test_a_kept_state_that_is_not_what_the_events_come_to(
    audited: Audited, session: SessionApi
) -> None:
    for _ in range(11):
        calls = [{"type": "agent.thought", "data": {"parts": HELLO}}] * 100
        answer = session.post("/turns/t1/events", {"events": calls})
        assert answer.status_code == 200, answer.text
    with psycopg.connect(audited.database, autocommit=True) as connection:
        kept = connection.execute("select sequence from snapshots order by 1").fetchall()
    assert len(kept) >= 2
    assert verified(audited, session)["ok"]
    first, second = kept[0][0], kept[1][0]
    tamper(
        audited,
        f"update snapshots set state = (select state from snapshots where sequence = {first})"
        f" where sequence = {second}",
    )
    assert codes(verified(audited, session)) == [("kept_state_mismatch", second)]
    # The way out that the handbook names.
    tamper(audited, f"delete from snapshots where session_id = '{session.id}'")
    assert verified(audited, session)["ok"]


@pytest.mark.parametrize("raw", ["", "junk", "\\x80", "\\x81a5737461746581a178d60500000000"])
def test_a_session_whose_kept_states_are_damaged_goes_on_from_its_log(
    audited: Audited, session: SessionApi, raw: str
) -> None:
    thoughts = [{"type": "agent.thought", "data": {"parts": HELLO}}] * 600
    for some in (thoughts, thoughts[:1]):
        assert session.post("/turns/t1/events", {"events": some}).status_code == 200
    before = audited.api.get(f"{session.path}/snapshot").json()
    with psycopg.connect(audited.database, autocommit=True) as connection:
        ((kept,),) = connection.execute("select sequence from snapshots").fetchall()
    tamper(audited, f"update snapshots set state = '{raw}'")
    assert codes(verified(audited, session)) == [("kept_state_mismatch", kept)]
    assert codes(all_of(audited)[-1]) == [("kept_state_mismatch", kept)]
    # What was at a moment of the past is in no cache, and neither is anything of a new process.
    past = audited.api.get(f"{session.path}/snapshot?at={kept}")
    assert past.status_code == 200, past.text
    assert past.json()["sequence"] == kept
    with running(audited.database) as base:
        other = Api(base)
        assert other.get(f"{session.path}/snapshot").json() == before
        said = other.post(f"{session.path}/turns/t1/events", {"events": thoughts[:1]})
        assert said.status_code == 200, said.text
        other.close()


def test_a_kept_state_behind_a_hole_is_not_held_against_what_is_left(
    audited: Audited, session: SessionApi
) -> None:
    for _ in range(6):
        thoughts = [{"type": "agent.thought", "data": {"parts": HELLO}}] * 100
        session.post("/turns/t1/events", {"events": thoughts})
    with psycopg.connect(audited.database, autocommit=True) as connection:
        kept = connection.execute("select sequence from snapshots where sequence > 5").fetchall()
    assert kept
    tamper(audited, "delete from events where topic = 'message.added'")
    assert codes(verified(audited, session)) == [("event_sequence_gap", 3)]


def test_a_sample_and_what_changed_since(audited: Audited) -> None:
    old = audited.api.create()
    since = audited.api.feed_head()
    new = audited.api.create()
    lines = all_of(audited, f"?since={since}")
    accesses = str(ACCESS_LOG)
    assert {line["session_id"] for line in lines[1:-1]} == {new.id, accesses}
    assert lines[0] == {"expected": 2}
    sampled = all_of(audited, "?sample=0.5")[1:-1]
    assert {line["session_id"] for line in sampled} <= {old.id, new.id, accesses}
    for sample in ("0", "1.1", "-1", "x", "nan", "inf"):
        answer = audited.api.get(f"/v1/audit/verify?sample={sample}")
        assert answer.status_code == 400
        assert answer.json()["code"] == "invalid_parameter"


TILES = "alter table log_tiles disable trigger user"
HEADS = "alter table signed_heads disable trigger user"
FLIP = "set_byte({0}, 5, 255 - get_byte({0}, 5))"
OTHER = "note = b.note, root = b.root from signed_heads as b"
KEPT_DAMAGE = {
    "a hash of a tile": (
        (TILES, f"update log_tiles set hashes = {FLIP.format('hashes')} where number = 1"),
        [("tree_mismatch", "positions 257 to 512 is not made of them")],
    ),
    "the hash above a tile": (
        (TILES, f"update log_tiles set root = {FLIP.format('root')} where number = 0"),
        [("tree_mismatch", "positions 1 to 256 is not made of them")],
    ),
    "a tile that is gone": (
        (TILES, "delete from log_tiles where number = 1"),
        [("tree_mismatch", "positions 257 to 512 is no longer kept")],
    ),
    "a signed root": (
        (HEADS, f"update signed_heads set root = {FLIP.format('root')} where size = 600"),
        [("signature_mismatch", "checkpoint of 600 events that is kept here")],
    ),
    "a signed note": (
        (HEADS, "update signed_heads set note = replace(note, '600', '601') where size = 600"),
        [("signature_mismatch", "checkpoint of 600 events that is kept here")],
    ),
    "the signature of another": (
        (
            HEADS,
            f"update signed_heads as a set {OTHER} where a.size = 600 and b.size = 512",
        ),
        [("signature_mismatch", "checkpoint of 600 events that is kept here")],
    ),
    "a note that is none": (
        (HEADS, "update signed_heads set note = 'junk' where size = 600"),
        [("signature_mismatch", "checkpoint of 600 events that is kept here")],
    ),
    "a log with other digests": (
        ("update events set digest = sha256('x') where notification_id = 300",),
        [
            ("digest_mismatch", "does not cover"),
            ("checkpoint_mismatch", "the first 512 events are not those"),
            ("tree_mismatch", "positions 257 to 512 is not made of them"),
        ],
    ),
    "a log whose end is cut off": (
        ("delete from events where notification_id > 300", "update log_head set head = 300"),
        [
            ("event_head_mismatch", "the log ends at"),
            ("checkpoint_ahead", "a checkpoint was signed of 600: its end was cut off"),
            ("tree_mismatch", "the kept tree is of 512: its end was cut off"),
        ],
    ),
}


@pytest.mark.parametrize(("statements", "found"), KEPT_DAMAGE.values(), ids=KEPT_DAMAGE)
def test_what_proves_the_log_is_held_against_it(
    audited: Audited, statements: tuple[str, ...], found: list[tuple[str, str]]
) -> None:
    session = audited.api.create()
    session.start("t1")
    thoughts = [{"type": "agent.thought", "data": {"parts": HELLO}}] * 100
    for size in (255, 256, 257, 512, 600):
        while (left := size - audited.api.feed_head()) > 0:
            session.post("/turns/t1/events", {"events": thoughts[:left]})
        audited.api.get("/v1/audit/checkpoint")
    kept = audited.api.get("/v1/audit/checkpoints").json()["checkpoints"]
    assert [one["size"] for one in kept] == [600, 512, 257, 256, 255]
    assert all_of(audited)[-1]["findings"] == []
    tamper(audited, *statements)
    findings = all_of(audited)[-1]["findings"]
    # Accesses that were recorded since then are behind the hole.
    assert {one["code"] for one in findings} - {"event_sequence_gap"} == {code for code, _ in found}
    for code, detail in found:
        assert any(one["code"] == code and detail in one["detail"] for one in findings)
    # A sample is for those to whom all of it is too much.
    codes_of_all = {"tree_mismatch", "signature_mismatch", "checkpoint_mismatch"}
    sampled = all_of(audited, "?sample=0.5")[-1]["findings"]
    assert not codes_of_all & {one["code"] for one in sampled}
