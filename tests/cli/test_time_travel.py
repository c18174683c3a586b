"""`cairn diff`."""

import json

import httpx
import pytest

from api.cli import main
from tests.cli.conftest import Served

STEERING = "\x1b[2J two  spaces\u202e\x7f"


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run the command in this process: its exit status, and what it printed."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    code = ended.value.code
    assert code is None or isinstance(code, int)
    return (code or 0, *capsys.readouterr())


def lived(server: Served) -> str:
    session_id = server.session()
    server.say(session_id, "one")
    server.say(session_id, STEERING)
    path = f"{server.url}/v1/sessions/{session_id}"
    httpx.patch(path, json={"title": "Later"}).raise_for_status()
    return session_id


def test_a_diff_is_lines_for_people(server: Served, capsys: pytest.CaptureFixture[str]) -> None:
    session_id = lived(server)

    code, output, errors = said(
        capsys, "diff", session_id, "--from", "2", "--to", "4", "--url", server.url
    )

    first, title, message = output.splitlines()
    assert (code, errors) == (0, "")
    assert first == f"session {session_id}: from 2 to 4"
    assert title == '~ title: null -> "Later"'
    assert message.startswith("+ messages ")
    # What steers a terminal is not there; what says something is.
    assert "[2J two  spaces" in message
    assert not {"\x1b", "\u202e", "\x7f"} & set(output)


def test_a_diff_in_json_is_what_the_server_says(
    server: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    session_id = lived(server)

    code, output, _ = said(capsys, "diff", session_id, "--json", "--url", server.url)

    assert code == 0
    assert json.loads(output) == httpx.get(f"{server.url}/v1/sessions/{session_id}/diff").json()
    assert json.loads(output)["title"] == {"from": None, "to": "Later"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(("--to", "99"), "(409)"), (("--from", "yesterday"), "(400)"), (("--from", "0"), "(400)")],
)
def test_moments_that_there_are_not_are_told(
    server: Served, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], words: str
) -> None:
    code, output, errors = said(capsys, "diff", server.session(), *arguments, "--url", server.url)

    assert (code, output) == (1, "")
    assert words in errors
    assert errors.count("\n") == 1
