"""A restored backup is another store, and a process that does not fit its database drains."""

import asyncio
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from time import monotonic, sleep

import httpx
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from application.ports.readiness import Trouble
from infrastructure.postgres.connecting.database import Database
from infrastructure.postgres.connecting.migrations import newest_known
from infrastructure.postgres.connecting.store_watch import StoreWatch, identify
from tests.support.api import Api, SessionApi, done, refused
from tests.support.postgres import Server
from tests.support.processes import ROOT, Cairn
from tests.support.server import running

LATER = "00000002"


@contextmanager
def backup_of(server: Server, url: str) -> Iterator[str]:
    """Lend a copy of a database."""
    name = conninfo_to_dict(url)["dbname"]
    copy = f"{name}_copy"
    server._admin.execute(
        sql.SQL("create database {} template {}").format(*map(sql.Identifier, (copy, str(name))))
    )
    try:
        yield make_conninfo(url, dbname=copy)
    finally:
        server._admin.execute(sql.SQL("drop database {}").format(sql.Identifier(copy)))


def test_cursors_of_before_a_restore_are_told_so_whatever_was_appended_since(
    postgres_server: Server, database_url: str
) -> None:
    with running(database_url) as base, closing(Api(base)) as api:
        session = api.create()
        for _ in range(4):
            session.say()
        created, session_id = session.document(), session.id
        store = session.get("/snapshot").json()["store"]
    with backup_of(postgres_server, database_url) as restored:
        with running(database_url) as base, closing(Api(base)) as api:
            # What is in no backup; a restart without a restore changes nothing.
            assert api.get("/version").json()["store"] == store
            for _ in range(5):
                SessionApi(api, created).say()
            done(api.get(f"/v1/sessions/{session_id}/events?since=10&store={store}"))
        with running(restored) as base, closing(Api(base)) as api:
            session = SessionApi(api, created)
            for _ in range(9):
                session.say()

            new = session.get("/snapshot").json()["store"]
            sse = {"accept": "text/event-stream"}
            for path in (f"/v1/sessions/{session_id}/events?since=10", "/v1/events?after=10"):
                for headers in ({}, sse, {**sse, "last-event-id": "10"}):
                    told = api.get(f"{path}&store={store}", headers=headers)
                    refused(told, 409, "store_replaced", store=new)
            done(session.get(f"/events?since=10&store={new}"))


@pytest.fixture
def owner(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


async def identity(url: str, known: str | None = None, seen: int = 0) -> str:
    database = Database(url, readers=1)
    await database.open()
    try:
        return await identify(database, known, seen)
    finally:
        await database.close()


async def test_a_failover_that_lost_nothing_keeps_the_identity_for_those_who_were_there(
    database_url: str, owner: psycopg.Connection
) -> None:
    first = await identity(database_url)
    owner.execute("update store set timeline = %s", [LATER])

    assert await identity(database_url, first, 0) == first
    assert await identity(database_url) == first


async def test_a_process_that_comes_to_another_timeline_cannot_know_what_was_lost(
    database_url: str, owner: psycopg.Connection
) -> None:
    first = await identity(database_url)
    owner.execute("update store set timeline = %s", [LATER])

    second = await identity(database_url)

    assert second != first
    assert await identity(database_url, first, 0) == second
    assert await identity(database_url) == second


async def test_a_log_that_is_shorter_than_it_was_is_another_store_once(database_url: str) -> None:
    first = await identity(database_url)

    second, third = await asyncio.gather(*(identity(database_url, first, n) for n in (3, 5)))

    assert second == third != first
    assert await identity(database_url) == second


async def test_a_process_that_sees_the_log_go_back_is_to_end(database_url: str) -> None:
    told: list[Trouble] = []
    database = Database(database_url, readers=1)
    await database.open()
    try:
        first = await identify(database)
        positions = [0, 7]
        watch = StoreWatch(database, first, newest_known(), lambda: positions.pop(0), told.append)
        await watch.look()
        assert (told, watch.trouble) == ([], None)
        await watch.look()
    finally:
        await database.close()
    assert [trouble.reason for trouble in told] == ["store_replaced"]


def test_an_older_process_serves_on_says_why_and_ends_when_the_schema_is_newer(
    database_url: str, owner: psycopg.Connection, tmp_path: Path
) -> None:
    older = Cairn(database_url, tmp_path / "older.log", drain_seconds=2)
    older.start()
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{older.port}", timeout=60) as http:
            assert http.get("/ready").status_code == 200
            owner.execute(
                "insert into schema_migration (number, name, sha256) values (%s, 'next', '')",
                [newest_known() + 1],
            )
            deadline = monotonic() + 30
            while (ready := http.get("/ready")).status_code == 200:
                assert monotonic() < deadline, "nobody has noticed"
                sleep(0.05)  # it looks once a second
            assert ready.json()["reasons"] == ["schema_newer"]
            made = http.post("/v1/sessions", json={"app": "a", "user": "u"})
            assert made.status_code == 201
            assert 'cairn_process_outdated{reason="schema_newer"} 1.0' in http.get("/metrics").text
        while older.is_alive:
            assert monotonic() < deadline + 30, "it does not end"
            sleep(0.05)
        assert "newer release" in older.said
    finally:
        older.kill()


def test_what_is_said_of_other_stores_is_in_the_table_of_readiness() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    for reason in ("schema_newer", "store_replaced"):
        assert f"| `{reason}` |" in page
