"""Servers whose clocks are hours off: times are the database's, and what runs out runs out."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from time import monotonic, sleep

import psycopg
import pytest

from infrastructure.postgres.connecting import database_clock
from tests.support.api import Api, SessionApi
from tests.support.postgres import Server
from tests.support.server import running


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def waiting(session: SessionApi) -> list[str]:
    listed = session.get("/interactions").json()["interactions"]
    return [one["request_id"] for one in listed]


@pytest.mark.parametrize("hours", [-3, 3])
def test_what_a_server_with_a_wrong_clock_sets_runs_out_in_time(
    postgres_server: Server, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    def wrong() -> datetime:
        return datetime.now(UTC) + timedelta(hours=hours)

    monkeypatch.setattr(database_clock, "system_time", wrong)
    with (
        postgres_server.database() as url,
        running(url) as base,
        psycopg.connect(url, autocommit=True) as connection,
        closing(Api(base)) as api,
    ):
        session = api.create()
        session.start()
        asked_at: datetime = connection.execute("select clock_timestamp()").fetchall()[0][0]

        session.ask("short", timeout_seconds=1)
        session.ask("long", timeout_seconds=3000)

        short, long = (event for event in session.events() if event["type"].endswith("requested"))
        assert abs(at(short["at"]) - asked_at) < timedelta(seconds=5)
        assert abs(at(long["data"]["expires_at"]) - asked_at) < timedelta(seconds=3010)
        deadline = monotonic() + 15
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
        assert float(told.split()[1]) == pytest.approx(abs(hours) * 3600, abs=5)
