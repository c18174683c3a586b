"""Legal holds stop erasure; proofs need no server; what is erased without a word is found."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest

from domain.log.chain import record_hash
from domain.log.erased_records import erased_hash, left_of
from infrastructure.keys.audit_key_file import read_keys
from tests.erasure.conftest import BECAUSE, Eraser, lines_of
from tests.erasure.test_session import SECRET, furnished
from tests.support.api import Api, done, refused
from tests.support.docs import ROOT
from tests.support.postgres import Server
from tests.support.server import running


def test_a_legal_hold_stops_the_erasure_of_a_session_until_it_is_released(eraser: Eraser) -> None:
    session = furnished(eraser)
    done(session.post("/legal-hold", {"reason": "case 4"}))
    assert session.document()["legal_hold"]["reason"] == "case 4"
    report = done(session.post("/erase?dry_run=true", BECAUSE))["erasure"]
    assert report["held"] == [session.id]
    head = session.head
    refused(session.post("/erase", BECAUSE), 409, "under_legal_hold", sessions=[session.id])
    # Set again it is already so, and the first reason stands.
    done(session.post("/legal-hold", {"reason": "case 5"}))
    assert (session.head, session.document()["legal_hold"]["reason"]) == (head, "case 4")
    done(session.delete("/legal-hold", json={"reason": "case 4 is closed"}))
    assert session.document()["legal_hold"] is None
    assert eraser.erase(session.id)["sessions"] == 1


def test_a_hold_on_a_deleted_session_a_fork_or_one_of_a_user_stops_all(eraser: Eraser) -> None:
    session = furnished(eraser)
    fork = done(session.post("/fork", {}), 201)["session"]["id"]
    done(eraser.api.delete(f"/v1/sessions/{fork}", json={}))
    done(eraser.api.post(f"/v1/sessions/{fork}/legal-hold", {"reason": "case 6"}))
    refused(session.post("/erase", BECAUSE), 409, "under_legal_hold", sessions=[fork])
    whole = f"/v1/apps/{session.app}/users/{session.user}/erase"
    refused(eraser.api.post(whole, BECAUSE), 409, "under_legal_hold", sessions=[fork])
    assert done(session.get())["session"]["title"] == SECRET


def verified(folder: Path, proof: bytes) -> str:
    """Return what the one file for strangers says of the log in a proof."""
    first, _, log = proof.partition(b"\n")
    (folder / "log").write_bytes(log)
    said = [checked(folder, "session", "log")]
    told = json.loads(first)
    for name, documents in (
        ("inclusion", told["inclusion"]),
        ("consistency", [told[name] for name in ("consistency",)]),
    ):
        for document in documents:
            (folder / name).write_text(json.dumps(document))
            said.append(checked(folder, name, name))
    for name in ("checkpoint_before", "checkpoint"):
        (folder / name).write_text(told[name])
        said.append(checked(folder, "checkpoint", name, "key"))
    return "\n".join(said)


def erasure_checked(folder: Path, proof: bytes) -> str:
    (folder / "proof").write_bytes(proof)
    return checked(folder, "proof", by="verify_erasure.py")


def other_size(told: dict[str, Any]) -> dict[str, Any]:
    """Return a proof whose signed tree is another one than that of its inclusion proofs."""
    return {**told, "checkpoint": told["checkpoint_before"]}


def other_event(told: dict[str, Any]) -> dict[str, Any]:
    """Return a proof that is about an event of another log."""
    (one,) = told["inclusion"]
    return {**told, "inclusion": [{**one, "position": one["position"] + 1}]}


def checked(folder: Path, *arguments: str, by: str = "verify.py") -> str:
    ran = subprocess.run(
        [sys.executable, str(ROOT / "docs" / by), *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return ran.stdout + ran.stderr


def test_the_proof_of_an_erasure_is_checked_without_a_server(
    eraser: Eraser, tmp_path: Path
) -> None:
    session = furnished(eraser)
    refused(session.get("/erasure"), 409, "not_erased")
    eraser.erase(session.id)
    (tmp_path / "key").write_text(str(read_keys(eraser.key_file).verifiers[0]))
    proof = session.get("/erasure").content
    assert SECRET.encode() not in proof
    said = verified(tmp_path, proof)
    assert said.count("HOLDS:") == 5, said
    whole = erasure_checked(tmp_path, proof)
    assert whole.startswith(f"HOLDS: {session.id} has ")
    assert "is in the tree of" in whole
    assert "goes on from that of" in whole
    first, _, rest = proof.partition(b"\n")
    told = json.loads(first)
    for words, changed in (
        ("it is no proof of an erasure", rest),
        (
            "not one proof for each log",
            json.dumps({**told, "inclusion": []}).encode() + b"\n" + rest,
        ),
        (
            "no proof that the later",
            json.dumps({**told, "consistency": None}).encode() + b"\n" + rest,
        ),
        ("was not signed", json.dumps(other_size(told)).encode() + b"\n" + rest),
        ("of another event", json.dumps(other_event(told)).encode() + b"\n" + rest),
    ):
        assert "DOES NOT HOLD: " in (refusal := erasure_checked(tmp_path, changed)), refusal
        assert words in refusal
    several = eraser.api.post("/v1/erasures/proof", {"log_ids": [session.id]})
    assert several.content.splitlines()[1:] == proof.splitlines()[1:]
    # Whoever changes a hash, or takes the last word away, is found out.
    lines = (tmp_path / "log").read_bytes().splitlines(keepends=True)
    (tmp_path / "bad").write_bytes(b"".join(lines[:-1]))
    assert "nothing after it says why" in checked(tmp_path, "session", "bad")
    (tmp_path / "bad").write_bytes(
        b"".join(lines).replace(b'"record_hash":"', b'"record_hash":"0', 1)
    )
    assert "DOES NOT HOLD" in checked(tmp_path, "session", "bad")


def test_a_server_that_has_no_key_any_more_proves_what_it_erased(
    eraser: Eraser, tmp_path: Path
) -> None:
    session = furnished(eraser)
    eraser.api.get("/v1/audit/checkpoint")
    with running(eraser.database) as base:
        api = Api(base)
        done(api.post(f"{session.path}/erase", BECAUSE))
        proof = api.get(f"{session.path}/erasure").content
        head = api.feed_head()
        api.close()
    told = json.loads(proof.partition(b"\n")[0])
    assert told["checkpoint"] is told["consistency"] is None
    assert "cairn.example/store" in told["checkpoint_before"]
    assert 0 < told["inclusion"][0]["size"] <= head
    assert erasure_checked(tmp_path, proof).startswith(f"HOLDS: {session.id} has ")


def test_there_is_no_proof_of_what_never_was(eraser: Eraser) -> None:
    nobody = "00000000-0000-7000-8000-000000000000"
    refused(eraser.api.get(f"/v1/sessions/{nobody}/erasure"), 404, "session_not_found")
    asked = eraser.api.post("/v1/erasures/proof", {"log_ids": [nobody]})
    refused(asked, 404, "session_not_found")
    accesses = "/v1/sessions/00000000-0000-0000-0000-000000000000/erasure"
    refused(eraser.api.get(accesses), 404, "session_not_found")


def test_an_erasure_is_in_the_log_of_accesses_and_names_no_user(eraser: Eraser) -> None:
    session = furnished(eraser)
    after = eraser.api.feed_head()
    eraser.erase_user(session.app, session.user)
    query = {"after": after, "types": "access.granted"}
    events = eraser.api.get("/v1/events", params=query).json()["events"]
    (access,) = [event["data"] for event in events if event["data"]["to"] == "erasure"]
    assert access["where"]["app"] == session.app
    assert session.user not in json.dumps(events)


@pytest.mark.parametrize("query", ["", "?dry_run=true"])
@pytest.mark.parametrize(
    ("path", "field"),
    [("x%00/users/ada", "app"), ("shop/users/%00", "user"), ("%20/users/a", "app")],
)
def test_the_erasure_of_a_user_whom_there_cannot_be_is_refused(
    eraser: Eraser, path: str, field: str, query: str
) -> None:
    before = eraser.api.feed_head()
    answer = eraser.api.post(f"/v1/apps/{path}/erase{query}", BECAUSE)
    assert refused(answer, 422, "invalid")["detail"].startswith(f"{field} ")
    assert eraser.api.feed_head() == before


@pytest.mark.parametrize(
    ("forged", "code"),
    [
        ("state = erased_record_v1(topic, state)", "erasure_unexplained"),
        (
            "state = convert_to(replace(convert_from(state, 'UTF8'), 'secret', 'lie'), 'UTF8')",
            "digest_mismatch",
        ),
    ],
)
def test_what_is_erased_without_a_word_is_found(
    eraser: Eraser, postgres_server: Server, forged: str, code: str
) -> None:
    session = furnished(eraser)
    with psycopg.connect(postgres_server.admin_url(eraser.database), autocommit=True) as owner:
        owner.execute("alter table events disable trigger user")
        update = f"""update events set erased_hash = sha256(state), {forged}
            where originator_id = %s and originator_version = 2"""
        owner.execute(update, [session.id])  # type: ignore[arg-type]
        owner.execute("alter table events enable trigger user")
    found = done(session.get("/verify"))["findings"]
    assert code in [one["code"] for one in found]
    report = done(session.post("/repair?dry_run=true"))["repair"]
    assert report["blocked"]
    assert code in [one["code"] for one in report["issues"]]


def test_the_database_leaves_what_the_program_reads(
    eraser: Eraser, postgres_server: Server
) -> None:
    at = "2026-11-21T12:00:00.123456Z"
    ours = (
        b'{"id":"01890a5d-ac96-774b-bcce-b302099a8058","type":"x.y","v":1,"at":"%s"' % at.encode()
    )
    records = [
        (ours + b',"actor":"a","origin":"o","data":{"t":"%s\\u0000"}}' % b"\xc3\xa9" * 1, at),
        (b'{"data":{"at":"never"},"at":"%s"}' % at.encode(), at),
        (b"{", None),
        (b"\xff\x00", None),
        (b'{"at":null}', None),
    ]
    with psycopg.connect(postgres_server.admin_url(eraser.database), autocommit=True) as owner:
        for record, moment in records:
            made = owner.execute("select erased_record_v1('x.y', %s)", [record]).fetchone()
            assert made == (left_of(record, "x.y", moment),)
            assert erased_hash(left_of(record, "x.y", moment)) == record_hash(record)


def test_the_program_cannot_erase_what_says_nothing_of_it(
    eraser: Eraser, postgres_server: Server
) -> None:
    session = furnished(eraser)
    with psycopg.connect(postgres_server.admin_url(eraser.database), autocommit=True) as owner:
        erase = owner.execute(
            "select erased, remaining from erase_events_v1(%s, 100)", [session.id]
        )
        assert erase.fetchone() == (0, 0)
        assert owner.execute("select finish_erasure_v1(%s)", [session.id]).fetchone() == (False,)
    assert lines_of(session.get("/export"))[1]["data"]["title"] == SECRET
