"""`cairn verify` and `cairn audit keygen`, as a person or a nightly job runs them."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from api.cli import main
from domain.repair.codes import ISSUES
from domain.transparency.notes import (
    TreeHead,
    format_note,
    parse_note,
    parse_tree_head,
    parse_verifier_key,
)
from infrastructure.keys.audit_key_file import make_key, read_keys
from infrastructure.keys.ed25519 import Ed25519
from tests.audit.conftest import NAME, Audited
from tests.audit.test_verification import tamper
from tests.support.api import HELLO
from tests.support.in_process import Run, said_by
from tests.support.server import running


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    return partial(said_by, capsys)


@pytest.fixture
def verify(run: Run, audited: Audited) -> Callable[..., tuple[int, dict[str, Any]]]:
    def call(*arguments: object) -> tuple[int, dict[str, Any]]:
        status, out, err = run("verify", "--json", "--url", audited.url, *arguments)
        return status, json.loads(out) if out else {"said": err}

    return call


@pytest.fixture
def home(audited: Audited, tmp_path: Path) -> tuple[Path, Path]:
    """What an auditor takes home: a checkpoint of three sessions, and the public key."""
    for _ in range(3):
        audited.api.create().say()
    checkpoint, key = tmp_path / "checkpoint", tmp_path / "audit.pub"
    checkpoint.write_bytes(audited.api.get("/v1/audit/checkpoint").content)
    key.write_text(f"{audited.key}\n")
    return checkpoint, key


def test_all_is_well(audited: Audited, verify: Any, home: tuple[Path, Path], run: Run) -> None:
    checkpoint, key = home
    size = parse_tree_head(parse_note(checkpoint.read_bytes()).text).size
    new = audited.api.create()
    status, report = verify("--checkpoint", checkpoint, "--key", key)
    assert (status, report["ok"], report["sessions"]) == (0, True, 5)
    assert report["checkpoint"]["size"] == size
    assert report["checkpoint"]["key_from"] == "file"
    status, report = verify("--checkpoint", checkpoint, "--since-checkpoint", "--all")
    assert (status, report["sessions"]) == (0, 2)
    assert report["checkpoint"]["key_from"] == "server"
    status, report = verify(new.id)
    assert (status, report["sessions"], report["events"]) == (0, 1, 1)
    assert verify(new.id, "--all")[1]["sessions"] == 6
    status, report = verify("--all", "--sample", "50%")
    assert status == 0
    status, out, err = run("verify", "--url", audited.url, "--checkpoint", checkpoint)
    assert status == 0
    assert f"still contains the {size} events" in out
    assert "All is well." in out
    assert "name one that you kept with --key" in err


def test_a_changed_byte_is_found(audited: Audited, verify: Any, home: tuple[Path, Path]) -> None:
    tamper(audited, "update events set state = state || ' ' where notification_id = 2")
    status, report = verify("--checkpoint", home[0], "--key", home[1])
    assert status == 1
    assert [one["code"] for one in report["findings"]] == ["digest_mismatch"]
    assert report["findings"][0]["sequence"] == 2


@pytest.mark.parametrize(
    ("statements", "code"),
    [
        (
            (
                "delete from events where notification_id > 4",
                "update log_head set head = 4",
            ),
            "checkpoint_ahead",
        ),
        (
            ("update events set digest = sha256('another past') where notification_id = 3",),
            "checkpoint_mismatch",
        ),
    ],
    ids=["a cut tail or an older backup", "another past"],
)
def test_a_log_that_is_not_what_was_signed(
    audited: Audited,
    verify: Any,
    home: tuple[Path, Path],
    statements: tuple[str, ...],
    code: str,
) -> None:
    tamper(audited, *statements)
    status, report = verify("--checkpoint", home[0], "--key", home[1])
    assert status == 1
    assert code in [one["code"] for one in report["findings"]]


@pytest.mark.parametrize(
    ("statements", "code"),
    [
        (("delete from events where notification_id = 2",), "checkpoint_mismatch"),
        (("update log_head set head = head + 3",), "tree_mismatch"),
    ],
    ids=["signed events are gone", "the end is missing"],
)
def test_events_that_are_gone_are_found_with_a_checkpoint_too(
    audited: Audited,
    verify: Any,
    run: Run,
    home: tuple[Path, Path],
    statements: tuple[str, ...],
    code: str,
) -> None:
    tamper(audited, *statements)
    status, report = verify("--checkpoint", home[0], "--key", home[1])
    assert status == 1
    assert {code, "position_gap"} <= {one["code"] for one in report["findings"]}
    assert report["sessions"] >= 4
    assert report["checkpoint"]["holds"] is (code == "tree_mismatch")
    _, out, _ = run("verify", "--url", audited.url, "--checkpoint", home[0], "--key", home[1])
    assert ("still contains" in out) is (code == "tree_mismatch")


def test_an_auditor_needs_the_right_to_audit_and_no_other(
    audited: Audited, run: Run, home: tuple[Path, Path], tmp_path: Path
) -> None:
    made = audited.api.post("/v1/tokens", {"allow": ["audit"], "name": "auditor"})
    token = tmp_path / "token"
    token.write_text(made.json()["token"])
    token.chmod(0o600)
    asked = ("verify", "--url", audited.url, "--token-file", token)
    status, out, err = run(*asked, "--checkpoint", home[0], "--key", home[1])
    assert status == 0, err
    assert "All is well." in out
    assert run(*asked, "--all")[0] == 0


def test_a_person_is_told_what_can_be_done(audited: Audited, run: Run) -> None:
    session = audited.api.create()
    tamper(audited, f"update sessions set title = 'other' where session_id = '{session.id}'")
    status, out, _ = run("verify", "--url", audited.url, session.id)
    assert status == 1
    assert "1 finding. What can be done:" in out
    assert " ".join(out.split()).count(ISSUES["read_model_mismatch"].advice) == 1
    assert "All is well" not in out


def test_a_sample_that_is_empty_is_not_said_to_be_well(audited: Audited, run: Run) -> None:
    status, out, _ = run("verify", "--url", audited.url, "--all", "--sample", "0.0000000001")
    assert (status, out.splitlines()[0]) == (0, "0 events of 0 sessions were verified.")
    assert "All is well" not in out


def test_a_kept_tree_that_is_not_made_of_the_log_is_found_and_made_anew(
    audited: Audited, verify: Any, tmp_path: Path
) -> None:
    session = audited.api.create()
    session.start("t1")
    for _ in range(3):
        session.record(*[("agent.thought", {"parts": HELLO})] * 100)
    checkpoint, key = tmp_path / "checkpoint", tmp_path / "audit.pub"
    checkpoint.write_bytes(audited.api.get("/v1/audit/checkpoint").content)
    key.write_text(f"{audited.key}\n")
    asked = ("--checkpoint", checkpoint, "--key", key)
    assert verify(*asked)[0] == 0

    off, on = (f"alter table log_tiles {way} trigger user" for way in ("disable", "enable"))
    lie = "update log_tiles set root = sha256('x') where level = 0"
    tamper(audited, off, lie, on)
    status, report = verify(*asked)
    assert (status, [one["code"] for one in report["findings"]]) == (1, ["tree_mismatch"])

    # The way out that the handbook names.
    empty = ("delete from log_tiles", "delete from checkpoints where consumer = 'log tiles'")
    tamper(audited, off, *empty, on)
    with running(audited.database, audit_key_file=audited.key_file) as base:
        assert verify(*asked, "--url", base)[0] == 0


def test_checkpoints_that_prove_nothing(
    audited: Audited, verify: Any, home: tuple[Path, Path], tmp_path: Path
) -> None:
    checkpoint, key = home
    note = parse_note(checkpoint.read_bytes())
    head = parse_tree_head(note.text)
    ed25519, signing = Ed25519(), read_keys(audited.key_file).signing[0]
    stranger = ed25519.new_key(NAME)

    def verdict(text: str) -> list[str]:
        path = tmp_path / "other"
        path.write_text(text, "utf-8")
        status, report = verify("--checkpoint", path, "--key", key)
        assert status == (1 if report["findings"] else 0)
        return [one["code"] for one in report["findings"]]

    def signed(made: TreeHead, *keys: Any) -> str:
        return format_note(str(made), tuple(ed25519.sign(one, str(made)) for one in keys))

    assert verdict(signed(head, signing)) == []
    assert verdict(signed(head, stranger, signing)) == []
    assert verdict(signed(head, stranger)) == ["checkpoint_unsigned"]
    ahead = head._replace(size=head.size + 100)
    assert verdict(signed(ahead, stranger)) == ["checkpoint_unsigned"]
    (right,) = note.signatures
    wrong = right._replace(signature=bytes(64))
    assert verdict(format_note(note.text, (wrong,))) == ["signature_mismatch"]
    assert verdict(format_note(note.text, (right, wrong))) == ["signature_mismatch"]
    assert verdict(signed(head._replace(size=head.size + 100), signing)) == ["checkpoint_ahead"]
    assert verdict(signed(head._replace(root=bytes(32)), signing)) == ["checkpoint_mismatch"]
    elsewhere = ed25519.new_key("cairn.example/elsewhere")
    other = head._replace(origin="cairn.example/elsewhere")
    assert verdict(signed(other, elsewhere)) == ["checkpoint_of_another_store"]
    # Who knows the keys of two logs believes neither of them about the other.
    key.write_text(f"{elsewhere.verifier}\n{audited.key}\n")
    assert verdict(signed(head, signing)) == []
    assert verdict(signed(head, elsewhere, signing)) == []
    assert verdict(signed(head, elsewhere)) == ["checkpoint_unsigned"]


def test_what_makes_no_sense(verify: Any, home: tuple[Path, Path], tmp_path: Path) -> None:
    junk = tmp_path / "junk"
    junk.write_text("junk")
    bytes_only = tmp_path / "bytes"
    bytes_only.write_bytes(b"\xff")
    for arguments in (
        (),
        ("--since-checkpoint", "--all"),
        ("--all", "--key", home[1]),
        ("--all", "--sample", "0"),
        ("--all", "--sample", "101%"),
        ("--all", "--sample", "some"),
        ("--checkpoint", junk),
        ("--checkpoint", tmp_path),
        ("--checkpoint", tmp_path / "none"),
        ("--checkpoint", home[0], "--key", junk),
        ("--checkpoint", home[0], "--key", bytes_only),
        ("--checkpoint", bytes_only),
        ("not-a-session",),
    ):
        status, report = verify(*arguments)
        assert status == 2, arguments
        assert report["said"].startswith("cairn: "), arguments


def test_what_cannot_be_looked_at(run: Run, audited: Audited) -> None:
    nobody = "00000000-0000-7000-8000-000000000000"
    assert run("verify", "--url", audited.url, nobody)[0] == 2
    assert run("verify", "--url", "http://127.0.0.1:1", "--all")[0] == 2


def test_keygen(tmp_path: Path, capsys: pytest.CaptureFixture[str], run: Run) -> None:
    path = tmp_path / "audit.key"
    with pytest.raises(SystemExit) as ended:
        main(["audit", "keygen", str(path), "--name", NAME])
    assert ended.value.code == 0
    said = capsys.readouterr()
    key = parse_verifier_key(said.out.strip())
    assert read_keys(path).verifiers == (key,)
    assert "PRIVATE" not in said.out + said.err
    status, out, _ = run("audit", "keygen", path, "--rotate", "--overlap")
    new = parse_verifier_key(out.strip())
    assert status == 0
    assert read_keys(path).verifiers == (new, key)
    assert run("audit", "keygen", path, "--name", NAME)[0] == 1
    assert run("audit", "keygen", tmp_path / "b")[0] == 2
    assert run("audit", "keygen", path, "--rotate", "--name", NAME)[0] == 2
    assert run("audit", "keygen", tmp_path / "b", "--name", NAME, "--overlap")[0] == 2
    path.chmod(0o644)
    assert run("audit", "keygen", path, "--rotate")[0] == 1


def test_old_keys_still_verify_after_a_rotation(
    audited: Audited, verify: Any, home: tuple[Path, Path], run: Run
) -> None:
    # What was signed by the old key is checked with the old key, whatever signs now.
    assert run("audit", "keygen", audited.key_file, "--rotate")[0] == 0
    keys = audited.key_file.with_name("all.pub")
    keys.write_text("\n".join(map(str, read_keys(audited.key_file).verifiers)))
    assert verify("--checkpoint", home[0], "--key", keys)[0] == 0
    other = audited.key_file.with_name("other.key")
    keys.write_text(str(make_key(other, NAME)))
    status, report = verify("--checkpoint", home[0], "--key", keys)
    assert (status, report["findings"][0]["code"]) == (1, "checkpoint_unsigned")
