"""`cairn erase`, as a person runs it."""

import json
from pathlib import Path

import pytest

from tests.erasure.conftest import Eraser
from tests.erasure.test_session import SECRET, furnished
from tests.support.api import done, refused
from tests.support.in_process import Run, said_by


@pytest.fixture
def run(eraser: Eraser, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: object) -> tuple[int, str, str]:
        where = ("--reason", "request 17", "--url", eraser.url)
        return said_by(capsys, "erase", *arguments, *where)

    return call


def test_it_says_first_what_would_go_and_then_it_is_gone(
    eraser: Eraser, run: Run, tmp_path: Path
) -> None:
    session = furnished(eraser)
    fork = done(session.post("/fork", {}), 201)["session"]["id"]
    status, said, _ = run(session.id, "--dry-run")
    assert (status, said.splitlines()[0]) == (
        0,
        f"would be erased: 2 sessions, {session.head + 1} events",
    )
    assert f"{fork}, a fork" in said
    # Without a terminal nobody can be asked.
    status, _, wrong = run(session.id)
    assert (status, "--yes" in wrong) == (2, True)
    assert done(session.get())["session"]["title"] == SECRET
    status, said, _ = run(session.id, "--yes", "--proof", tmp_path / "proof")
    assert (status, said.startswith("erased: 2 sessions")) == (0, True)
    refused(session.get(), 410, "erased")
    proof = (tmp_path / "proof").read_bytes()
    assert json.loads(proof.partition(b"\n")[0])["logs"] == [fork, session.id]
    assert SECRET.encode() not in proof


def test_a_user_goes_with_all_sessions_unless_one_is_held(
    eraser: Eraser, run: Run, tmp_path: Path
) -> None:
    sessions = [furnished(eraser)]
    whose = {"app": sessions[0].app, "user": sessions[0].user}
    sessions.append(furnished(eraser, **whose))
    named = ("--app", whose["app"], "--user", whose["user"])
    done(sessions[0].post("/legal-hold", {"reason": "case 4"}))
    status, said, _ = run(*named, "--dry-run")
    assert (status, "legal hold" in said) == (1, True)
    status, _, wrong = run(*named, "--yes")
    assert (status, "legal hold" in wrong) == (1, True)
    done(sessions[0].delete("/legal-hold", json={"reason": "closed"}))
    status, said, _ = run(*named, "--yes", "--json", "--proof", tmp_path / "proof")
    assert (status, json.loads(said)["sessions"]) == (0, 2)
    assert len(json.loads((tmp_path / "proof").read_bytes().partition(b"\n")[0])["logs"]) == 3
    for session in sessions:
        refused(session.get(), 410, "erased")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--app", "a"),
        ("x", "--app", "a", "--user", "u"),
        ("--app", "a", "--user", "u", "--children"),
        ("01890a5d-ac96-774b-bcce-b302099a8057", "--shared-keys", "some"),
    ],
)
def test_what_makes_no_sense_is_refused(run: Run, arguments: tuple[str, ...]) -> None:
    assert run(*arguments, "--yes")[0] == 2


def test_a_session_that_is_not_there_is_named(run: Run) -> None:
    status, _, wrong = run("01890a5d-ac96-774b-bcce-b302099a8057", "--yes")
    assert (status, "404" in wrong) == (1, True)


@pytest.mark.parametrize("asked", [["--dry-run"], ["--yes"]])
def test_a_user_of_whom_nothing_is_there_is_told_so(run: Run, asked: list[str]) -> None:
    status, said, _ = run("--app", "console", "--user", "nobody", *asked)
    assert status == 0
    assert "no session, for the app console has none of the user nobody" in said


def test_a_session_that_is_erased_already_is_told_so(eraser: Eraser, run: Run) -> None:
    session = furnished(eraser)
    assert run(session.id, "--yes")[0] == 0
    status, said, _ = run(session.id, "--yes")
    assert (status, said) == (0, "erased: nothing, for the session is erased already\n")
