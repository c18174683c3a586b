"""Servers whose clocks are hours off: times are the database's, and what runs out runs out."""

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic, sleep

import psycopg
import pytest

from tests.support.api import Api, SessionApi
from tests.support.processes import Cairn


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def waiting(session: SessionApi) -> list[str]:
    listed = session.get("/interactions").json()["interactions"]
    return [one["request_id"] for one in listed]


@pytest.fixture
def base(database_url: str, tmp_path: Path, clock: str) -> Iterator[str]:
    # In a process of its own: every program in one process would have the wrong clock.
    server = Cairn(database_url, tmp_path / "log", factory=f"tests.support.wrong_clock:{clock}")
    server.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.stop()


@pytest.mark.parametrize(("clock", "hours"), [("three_hours_behind", -3), ("three_hours_ahead", 3)])
def test_what_a_server_with_a_wrong_clock_sets_runs_out_in_time(
    base: str, database_url: str, hours: int
) -> None:
    with (
        psycopg.connect(database_url, autocommit=True) as connection,
        closing(Api(base)) as api,
    ):
        session = api.create()
        session.start()
        asked_at: datetime = connection.execute("select clock_timestamp()").fetchall()[0][0]

        session.ask("short", timeout_seconds=1)
        session.ask("long", timeout_seconds=3000)

        short, long = (event for event in session.events() if event["type"].endswith("requested"))
        assert abs(at(short["at"]) - asked_at) < timedelta(minutes=1)
        assert abs(at(long["data"]["expires_at"]) - asked_at) < timedelta(seconds=3060)
        deadline = monotonic() + 60
        while waiting(session) != ["long"]:
            assert monotonic() < deadline, "a second that does not end"
            sleep(0.05)  # a job of the server decides it

        ready = api.get("/ready").json()
        assert ready["status"] == "ready"
        assert f"{hours * 3600:+d}"[:5] in ready["warnings"]["clock_skew"]
        told = next(
            line
            for line in api.get("/metrics").text.splitlines()
            if line.startswith("cairn_clock_skew_seconds ")
        )
        assert float(told.split()[1]) == pytest.approx(abs(hours) * 3600, abs=60)
