"""Whatever keeps it from starting is told in one sentence, with what to do, and an exit code."""

import os
import socket
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from infrastructure.embedded_postgres import EmbeddedPostgres
from infrastructure.keys.audit_key_file import make_key
from tests.cli.conftest import Serve, run

WRONG_VALUES = [
    (("--port", "abc"), {}, "--port or CAIRN_PORT"),
    ((), {"CAIRN_PORT": "99999"}, "--port or CAIRN_PORT"),
    (("--workers", "0"), {}, "--workers or CAIRN_WORKERS"),
    (("--log-format", "xml"), {}, "--log-format or CAIRN_LOG_FORMAT"),
    ((), {"CAIRN_ACCESS_LOG": "perhaps"}, "--access-log or CAIRN_ACCESS_LOG"),
    ((), {"CAIRN_PING_SECONDS": "0"}, "CAIRN_PING_SECONDS"),
]


@pytest.mark.parametrize(("arguments", "env", "words"), WRONG_VALUES)
def test_a_wrong_value(arguments: tuple[str, ...], env: dict[str, str], words: str) -> None:
    done = run("serve", *arguments, env=env)

    assert done.returncode == 2
    assert done.stderr.startswith(f"cairn: {words} is not usable: ")
    assert done.stderr.count("\n") == 1


def test_values_that_do_not_go_together_are_named_as_they_are_set() -> None:
    done = run("serve", env={"CAIRN_OIDC_KEYS": "keys.json"})

    assert done.returncode == 2
    assert done.stderr == (
        "cairn: The settings do not go together: CAIRN_OIDC_KEYS are those of an issuer: name it"
        " with CAIRN_OIDC_ISSUER.\n"
    )


def test_a_missing_value() -> None:
    done = run("serve", "--port")

    assert done.returncode == 2
    assert "'--port' requires an argument" in done.stderr


def refused(*arguments: str, **env: str) -> str:
    """Serve, which must fail, and return the one sentence that says why."""
    done = run("serve", "--port", "0", *arguments, env=env)
    assert done.returncode == 1, done
    assert done.stdout == ""
    assert done.stderr.startswith("cairn: ")
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        words = refused("--port", port)

    assert f"Port {port} on 127.0.0.1 is taken" in words
    assert "--port" in words


@pytest.mark.parametrize("host", ["no.such.host.invalid", "192.0.2.1"])
def test_an_address_that_is_not_ours(host: str) -> None:
    assert f"'{host}' is no address of this machine" in refused("--host", host)


def test_a_data_directory_that_is_a_file(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()

    assert "is a file" in refused("--data-dir", str(file / "below"))


def test_a_data_directory_that_holds_something_else(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()

    assert "holds something else (thesis.txt)" in refused("--data-dir", str(tmp_path))


def test_a_data_directory_that_cannot_be_read(tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0)
    if os.geteuid() == 0:
        # Root may use every folder but those that are made by the kernel.
        locked = Path("/sys")

    assert "give this user read and write access" in refused("--data-dir", str(locked / "data"))


def test_no_postgres(tmp_path: Path) -> None:
    words = refused("--data-dir", str(tmp_path / "data"), CAIRN_PG_BIN=str(tmp_path))

    assert "has no usable postgres" in words


def test_a_database_that_does_not_answer() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        words = refused(DATABASE_URL=f"postgresql://me:open-sesame@127.0.0.1:{port}/nothing")

    assert "cannot be reached" in words
    assert "open-sesame" not in words


def test_a_database_url_that_is_none() -> None:
    words = refused("--database-url", "nonsense:open-sesame")

    assert "postgresql://user@host:5432/name" in words
    assert "open-sesame" not in words


@pytest.mark.parametrize("content", [None, "two words of a certain length"])
def test_a_token_file_that_is_of_no_use(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content, "latin-1")

    words = refused("--auth-token-file", str(file))

    assert f"The token file {file}" in words
    assert "CAIRN_AUTH_TOKEN_FILE" in words


def test_a_key_that_others_may_use(tmp_path: Path) -> None:
    file = tmp_path / "audit.key"
    make_key(file, "cairn.example/store")
    file.chmod(0o644)

    words = refused(CAIRN_AUDIT_KEY_FILE=str(file))

    assert "take that from them with `chmod 600" in words
    assert "CAIRN_AUDIT_KEY_FILE" in words


def test_only_migrate_and_serve_change_the_schema(postgres: EmbeddedPostgres) -> None:
    with psycopg.connect(postgres.superuser_url(), autocommit=True) as admin:
        admin.execute(sql.SQL("create database bare owner cairn"))
    url = postgres.url.replace("/cairn?", "/bare?")
    given = ("--database-url", url)

    for command in (
        ("token", "list"),
        ("token", "create", "--allow", "read"),
        ("secrets", "payload", "00000000-0000-0000-0000-000000000000"),
        ("rebuild", "--verify"),
    ):
        done = run(*command, *given)
        assert done.returncode != 0
        assert "The database is not up to date (0001_" in done.stderr
        assert "run cairn migrate" in done.stderr

    assert "missing 0001_" in run("migrate", "--dry-run", *given).stdout


def test_a_database_newer_than_the_program(postgres: EmbeddedPostgres) -> None:
    with psycopg.connect(postgres.superuser_url(), autocommit=True) as admin:
        admin.execute(sql.SQL("create database newer owner cairn"))
    url = postgres.url.replace("/cairn?", "/newer?")

    planned = run("migrate", "--dry-run", "--database-url", url)
    applied = run("migrate", "--database-url", url)
    again = run("migrate", env={"CAIRN_DATABASE_URL": url, "DATABASE_URL": "postgresql://wrong"})

    assert planned.stdout.replace("missing", "applied") == applied.stdout
    assert "applied 0001_" in applied.stdout
    assert again.stdout == "The database is up to date.\n"

    with psycopg.connect(url) as connection:
        connection.execute("insert into schema_migration values (9999, 'from_the_future', 'x')")
    words = refused("--database-url", url)

    assert "newer than this program" in words
    assert "run the newer program" in words


def test_a_server_whose_data_directory_is_served_already_shares_it(serve: Serve) -> None:
    first, second = serve(), serve()

    session_id = first.session()
    assert second.say(session_id, "through the other one") == 2
