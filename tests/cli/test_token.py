"""`cairn token`: on a database beside servers that run, and through a server."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from typer.testing import CliRunner

from api.cli import app as command
from tests.cli.conftest import eventually, run
from tests.support.server import running


def token(*arguments: str, url: str) -> str:
    """Run the command on a database, and return what it prints."""
    done = run("token", *arguments, "--database-url", url)
    assert done.returncode == 0, done.stderr
    return done.stdout


def status(base: str, given: str | None, path: str = "/v1/sessions", **how: Any) -> int:
    headers = {"Authorization": f"Bearer {given}"} if given else {}
    method = how.pop("method", "GET")
    return httpx.request(method, base + path, headers=headers, timeout=60, **how).status_code


def test_tokens_are_made_and_revoked_beside_two_servers_that_run(database_url: str):
    with running(database_url) as one, running(database_url) as two:
        assert [status(base, None) for base in (one, two)] == [200, 200]
        made = token("create", "--allow", "read", "--app", "a", "--name", "ci", url=database_url)
        secret = made.splitlines()[-1]
        # The token has one word, and stands alone.
        assert secret.split() == [secret]
        for base in (one, two):
            assert eventually(lambda base=base: status(base, None) == 401)
            assert status(base, secret) == 200
            body = {"app": "a", "user": "u"}
            assert status(base, secret, method="POST", json=body) == 403
        listed = json.loads(token("list", "--json", url=database_url))["tokens"]
        assert [(one["name"], one["app"], one["allow"]) for one in listed] == [
            ("ci", "a", ["read"])
        ]
        shown = token("list", url=database_url)
        assert secret not in shown
        assert "the sessions in app a" in shown
        assert all(len(line) <= 80 for line in shown.splitlines())
        token("revoke", listed[0]["id"], url=database_url)
        for base in (one, two):
            assert eventually(lambda base=base: status(base, secret) == 401)
            assert status(base, None) == 401
        assert token("list", url=database_url) == "There are no tokens.\n"


def test_tokens_are_made_through_a_server_by_who_may(database_url: str, tmp_path: Path):
    file = tmp_path / "token"
    with running(database_url) as base:
        secret = run("token", "create", "--allow", "admin,read", "--url", base).stdout.split()[-1]
        refused = run("token", "list", "--url", base)
        assert refused.returncode == 1
        assert "Authorization: Bearer" in refused.stderr
        assert "--token-file FILE" in refused.stderr
        file.write_text(secret)
        file.chmod(0o600)
        through = ("--url", base, "--token-file", str(file))
        made = run("token", "create", "--allow", "read", "--expires", "90d", *through)
        assert made.returncode == 0, made.stderr
        assert status(base, made.stdout.splitlines()[-1]) == 200
        wider = run("token", "create", "--allow", "erase", *through)
        assert wider.returncode == 1
        assert "does not allow erase" in wider.stderr
        assert "until " in run("token", "list", *through).stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--allow", "fly"), "'fly' is no right; the rights are read, write"),
        (("--allow", ","), "at least one right"),
        (("--allow", "read", "--expires", "soon"), "write one such as 90d"),
        (("--allow", "read", "--expires", "9999d"), "at most 3650 days"),
        (("--allow", "read", "--user", "ada"), "name the app as well"),
    ],
)
def test_what_makes_no_sense_is_told_in_a_sentence(
    database_url: str, arguments: tuple[str, ...], told: str
):
    done = run("token", "create", *arguments, "--database-url", database_url)
    assert done.returncode in (1, 2)
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_rights_may_be_given_one_by_one_and_what_has_run_out_says_so(database_url: str):
    made = token("create", "--allow", "read", "--allow", "write,stream", url=database_url)
    assert "may read, stream, write" in made
    assert "for ever" in token("list", url=database_url)
    token("create", "--allow", "read", "--name", "short", "--expires", "1s", url=database_url)
    assert eventually(lambda: "ran out " in token("list", url=database_url))


def test_what_is_no_id_of_a_token_reaches_no_other_path_of_a_server(database_url: str):
    with running(database_url) as base:
        made = httpx.post(f"{base}/v1/sessions", json={"app": "a", "user": "u"}, timeout=60)
        path = f"/v1/sessions/{made.json()['session']['id']}"
        done = run("token", "revoke", f"..{path.removeprefix('/v1')}", "--url", base)
        assert (done.returncode, done.stdout) == (2, "")
        assert "named by its id" in done.stderr
        assert status(base, None, path) == 200


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("list", "--data-dir", "/nowhere"), "leave the other option out"),
        (("list", "--database-url", "postgresql://x@y/z"), "leave the other option out"),
        (("create", "--allow", "read", "--name", "\udcff"), "not a text of UTF-8"),
    ],
)
def test_what_no_server_can_be_asked_is_told_in_a_sentence(arguments: tuple[str, ...], told: str):
    done = CliRunner().invoke(command, ["token", *arguments, "--url", "http://127.0.0.1:9"])
    assert done.exit_code == 2
    assert told in done.stderr


def test_a_token_that_is_not_there_cannot_be_revoked(database_url: str):
    for wrong, told in (("x", "named by its id"), ("0" * 32, "No access token has this id")):
        done = run("token", "revoke", wrong, "--database-url", database_url)
        assert done.returncode in (1, 2)
        assert told in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("token", "create", "--allow", "read"),
        ("token", "list"),
        ("token", "revoke", str(UUID(int=0))),
        ("secrets", "payload", str(UUID(int=0))),
        ("rebuild", "--verify"),
        ("migrate", "--dry-run"),
    ],
)
@pytest.mark.parametrize("is_there", [True, False])
def test_a_command_about_a_database_makes_none(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    is_there: bool,
):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("CAIRN_DATABASE_URL", raising=False)
    mistyped = tmp_path / "dat"
    if is_there:
        mistyped.mkdir()
    done = CliRunner().invoke(command, [*arguments, "--data-dir", str(mistyped)])
    assert done.exit_code == (2 if arguments[0] == "rebuild" else 1)
    assert done.stderr.startswith(f"cairn: There is no database in the data directory {mistyped};")
    assert [*tmp_path.rglob("*")] == ([mistyped] if is_there else [])
