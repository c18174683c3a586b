"""What a session was asked for with: sealed in the database, and gone when the session is."""

import json
from pathlib import Path
from time import monotonic, sleep
from uuid import UUID, uuid4

import psycopg
import pytest
from typer.testing import CliRunner

from api.cli import app
from infrastructure.keys.sealing import make_sealing_key
from tests.agentapi.signed import SESSIONS, Signed
from tests.agentapi.test_sessions import MARK, SECRETS

_SOON = 60.0


def sealed(url: str, session_id: str) -> str | None:
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "select sealed from provision_payloads where session_id = %s", [UUID(session_id)]
        ).fetchone()
    return None if row is None else row[0]


def gone_soon(url: str, session_id: str) -> bool:
    deadline = monotonic() + _SOON
    while sealed(url, session_id) is not None:
        if monotonic() > deadline:
            return False
        sleep(0.05)  # a job of the server takes it away
    return True


def test_a_dump_of_the_database_holds_no_secret(signed: Signed, manager_database: str):
    session_id = signed.ask("POST", SESSIONS, json.dumps(SECRETS).encode()).json()["session_id"]
    kept = sealed(manager_database, session_id)
    assert kept is not None
    assert kept.startswith("sealed:v1:")
    with psycopg.connect(manager_database) as connection:
        tables = connection.execute(
            "select format('%I.%I', schemaname, tablename) from pg_tables"
            " where schemaname not in ('pg_catalog', 'information_schema')"
        ).fetchall()
        for (table,) in tables:
            rows = connection.execute(f"select t::text from {table} as t").fetchall()
            columns = connection.execute(
                "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0"
                " and not attisdropped and atttypid = 'bytea'::regtype",
                [table],
            ).fetchall()
            assert not any(MARK in row[0] for row in rows), table
            for (column,) in columns:
                found = connection.execute(
                    f"select 1 from {table} where position(%s in {column}) > 0",
                    [MARK.encode()],
                ).fetchone()
                assert found is None, (table, column)
    assert len(tables) > 10


@pytest.mark.parametrize("way", ["delete", "natively", "erase"])
def test_what_was_sealed_goes_with_the_session(signed: Signed, manager_database: str, way: str):
    session_id = signed.create("ada", env={"A": MARK})
    assert sealed(manager_database, session_id) is not None
    if way == "delete":
        assert signed.ask("DELETE", f"{SESSIONS}/{session_id}").status_code == 204
        assert sealed(manager_database, session_id) is None
    elif way == "natively":
        assert signed.client.delete(f"/v1/sessions/{session_id}").is_success
        assert sealed(manager_database, session_id) is None
    else:
        erased = signed.client.post(f"/v1/sessions/{session_id}/erase", json={"reason": "asked"})
        assert erased.is_success, erased.text
        assert signed.ask("GET", f"{SESSIONS}/{session_id}").status_code == 404
        assert signed.ask("DELETE", f"{SESSIONS}/{session_id}").status_code == 404
    assert gone_soon(manager_database, session_id)


def test_nothing_is_kept_of_a_session_that_did_not_begin(signed: Signed, manager_database: str):
    def count() -> int:
        with psycopg.connect(manager_database) as connection:
            row = connection.execute("select count(*) from provision_payloads").fetchone()
        return 0 if row is None else row[0]

    before = count()
    body = json.dumps({"session": {"user_id": "a" * 201}}).encode()
    assert signed.ask("POST", SESSIONS, body).status_code == 400
    assert count() == before
    headers = signed.headers("POST", SESSIONS, b'{"session":{"user_id":"twice"}}')
    headers["Content-Type"] = "application/json"
    for status in (201, 401):
        answer = signed.client.post(
            SESSIONS, content=b'{"session":{"user_id":"twice"}}', headers=headers
        )
        assert answer.status_code == status
    assert count() == before + 1


def test_a_closed_door_has_no_paths(base_url: str, signed: Signed):
    session_id = signed.create()
    for path in (SESSIONS, f"{SESSIONS}/{session_id}", f"/{session_id}/events"):
        answer = signed.client.get(base_url + path, headers=signed.headers("GET", path))
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_whoever_has_the_key_reads_what_was_sent(
    signed: Signed,
    manager_database: str,
    sealing_key: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
):
    sent = json.dumps(SECRETS).encode()
    session_id = signed.ask("POST", SESSIONS, sent).json()["session_id"]
    monkeypatch.setenv("CAIRN_DATABASE_URL", manager_database)

    def said(wanted: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["secrets", "payload", wanted])
        return done.exit_code, done.output

    monkeypatch.setenv("CAIRN_SECRETS_KEY_FILE", str(sealing_key))
    assert said(session_id) == (0, sent.decode() + "\n")
    status, words = said(str(uuid4()))
    assert (status, "Nothing is kept" in words) == (1, True)
    make_sealing_key(tmp_path / "other")
    monkeypatch.setenv("CAIRN_SECRETS_KEY_FILE", str(tmp_path / "other"))
    status, words = said(session_id)
    assert (status, "which the key file has not" in words) == (1, True)
    assert MARK not in words
