"""Two releases on one database: the older one goes on to write beside the next one."""

import re
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any, Self
from uuid import UUID

import httpx
import psycopg
import pytest

from tests.support.processes import ROOT, Cairn

BASELINE = ROOT / "migrations" / "0001_baseline.sql"
LAYERS = ("api", "application", "domain", "infrastructure", "migrations")
FUNCTION = re.compile(r"create function append_batch_v1\(.*?\nend \$\$;", re.DOTALL)
EACH = 25


def successor(folder: Path) -> Path:
    """Make of this program one of the next release, with a migration, and return where it is."""
    for layer in LAYERS:
        shutil.copytree(ROOT / layer, folder / layer, ignore=shutil.ignore_patterns("__pycache__"))
    number = len(list((folder / "migrations").glob("*.sql"))) + 1
    found = FUNCTION.search(BASELINE.read_text())
    assert found is not None
    function = found[0].replace("append_batch_v1", "append_batch_v2")
    for written in ("projected_with = r.projected_with", "digest = t.digest"):
        assert written in function
        function = function.replace(written, f"{written}, release = 2")
    (folder / "migrations" / f"{number:04}_next.sql").write_text(
        f"alter table sessions add column release int not null default 1;\n{function}\n"
    )
    change(folder / "infrastructure/postgres/sql/log.sql", "append_batch_v1", "append_batch_v2")
    projection = folder / "application/projections/session_row.py"
    change(projection, r"PROJECTION_VERSION = \d+", "PROJECTION_VERSION = 1000")
    change(folder / "domain/session/state.py", r"\nFORMAT = \d+", "\nFORMAT = 1000")
    return folder


def change(file: Path, old: str, new: str) -> None:
    text, times = re.subn(old, new, file.read_text())
    assert times >= 1, f"{old} is not in {file}"
    file.write_text(text)


@pytest.fixture
def servers(database_url: str, tmp_path: Path) -> Iterator[tuple[Cairn, Cairn]]:
    root = tmp_path / "next"
    older = Cairn(database_url, tmp_path / "older.log", drain_seconds=600)
    newer = Cairn(database_url, tmp_path / "newer.log", root=successor(root))
    try:
        yield older, newer
    finally:
        older.kill()
        newer.kill()


class Client:
    """What a user of one of the servers does."""

    def __init__(self, server: Cairn) -> None:
        self._http = httpx.Client(base_url=f"http://127.0.0.1:{server.port}/v1", timeout=60)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str, **query: Any) -> Any:
        return self._http.get(path, params=query).raise_for_status().json()

    def post(self, path: str, body: dict[str, Any]) -> Any:
        return self._http.post(path, json=body).raise_for_status().json()

    def create(self, title: str) -> str:
        made = self.post("/sessions", {"app": "shop", "user": "ada", "title": title})
        return str(made["session"]["id"])

    def say(self, session_id: str, prefix: str) -> None:
        for number in range(EACH):
            said = [{"type": "text", "text": f"{prefix} {number}"}]
            self.post(
                f"/sessions/{session_id}/messages",
                {"id": f"{prefix}-{number}", "role": "user", "parts": said},
            )

    def events(self, session_id: str) -> list[dict[str, Any]]:
        page = self.get(f"/sessions/{session_id}/events", limit=200)
        found: list[dict[str, Any]] = page["events"]
        return found


def test_servers_of_two_releases_write_and_read_one_database_at_once(
    servers: tuple[Cairn, Cairn], database_url: str
) -> None:
    older, newer = servers
    older.start()
    with Client(older) as old:
        shared = old.create("shared")
        # Migrates the database under the feet of the older one.
        newer.start()
        with Client(newer) as new:
            sessions = [shared, old.create("old"), new.create("new")]
            write_and_read(sessions, {"old": old, "new": new})
            chained(database_url)
            with psycopg.connect(database_url) as connection:
                releases = connection.execute("select distinct release from sessions").fetchall()
            assert (2,) in releases, "the next release has written nothing of its own"

            # The older one may not come back to a database that is newer than it is.
            older.kill()
            with pytest.raises(AssertionError, match="newer than this program"):
                older.start()
            new.say(shared, "after")
            assert len(new.events(shared)) == 3 * EACH + 1


def write_and_read(sessions: list[str], clients: dict[str, Client]) -> None:
    """Write to all sessions through both servers at once, and compare what they show."""
    with ThreadPoolExecutor() as pool:
        writing = [
            pool.submit(client.say, session_id, f"{name}-{index}")
            for name, client in clients.items()
            for index, session_id in enumerate(sessions)
        ]
        for one in writing:
            one.result()
    old, new = clients.values()
    for index, session_id in enumerate(sessions):
        events = old.events(session_id)
        assert events == new.events(session_id)
        assert [event["sequence"] for event in events] == list(range(1, 2 * EACH + 2))
        said = {event["data"]["message_id"] for event in events[1:]}
        assert said == {f"{name}-{index}-{n}" for name in clients for n in range(EACH)}
    assert old.get("/sessions", app="shop") == new.get("/sessions", app="shop")


def chained(database_url: str) -> None:
    """Hold the digests of all events to their records."""
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(
            "select originator_id, state, digest from events"
            " order by originator_id, originator_version"
        ).fetchall()
    ends: dict[UUID, bytes] = {}
    for session_id, record, digest in rows:
        before = ends.get(session_id, sha256(session_id.bytes).digest())
        assert sha256(before + sha256(record).digest()).digest() == digest
        ends[session_id] = digest
