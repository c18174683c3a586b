"""Events as a Parquet table, read back by the libraries that people read tables with."""

import json
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from api.cli.transfer import parquet
from tests.support.api import HELLO, Api
from tests.support.docs import ROOT
from tests.support.in_process import status_of
from tests.support.postgres import Server
from tests.support.server import running

pyarrow_parquet: Any = pytest.importorskip("pyarrow.parquet")


@pytest.fixture(scope="module")
def api(postgres_server: Server) -> Iterator[Api]:
    with postgres_server.database() as url, running(url) as base:
        api = Api(base)
        api.database_url = url  # type: ignore[attr-defined]
        session = api.create(app="shop", user="ada")
        session.say("Grüße \u2028 \x1b")
        session.start()
        session.record(("agent.message", {"parts": HELLO}))
        api.create(app="shop", user="bob").say()
        api.create(app="other", user="ada")
        api.patch("/v1/apps/shop/state", {"set": {"app:n": 1}})
        yield api
        api.close()


def export(api: Api, output: Path, *arguments: str) -> int:
    where = ("-o", output, "--url", api.base_url)
    return status_of("export", "--format", "parquet", *where, *arguments)


def test_a_table_has_every_event_as_the_log_has_it(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "_ROWS", 3)
    output = tmp_path / "all.parquet"

    assert export(api, output) == 0

    table = pyarrow_parquet.read_table(output)
    read = pyarrow_parquet.ParquetFile(output)
    assert read.num_row_groups == -(-table.num_rows // 3)
    assert table.schema.metadata[b"cairn.schema"] == parquet.SCHEMA_VERSION
    rows = {(row["session_id"], row["sequence"]): row for row in table.to_pylist()}
    events = api.get("/v1/events?limit=1000").json()["events"]
    # The export itself is recorded after what it has read.
    assert {row["kind"] for row in rows.values()} >= {"session", "scope"}
    assert len(rows) == table.num_rows >= len(events) - 1
    for event in events:
        row = rows.get((event["session_id"], event["sequence"]))
        if row is None:
            assert event["type"] == "access.granted"
            continue
        assert json.loads(row.pop("data")) == event.pop("data")
        assert row.pop("at") == datetime.fromisoformat(event.pop("at"))
        assert row.pop("version") == event.pop("v")
        assert row.pop("erased") is False
        assert row.pop("kind") in ("session", "scope", "access")
        owner = (row.pop("app"), row.pop("user"))
        if event["type"] == "session.created":
            assert owner[0] in ("shop", "other")
        assert {name: value for name, value in row.items() if value is not None} == event
    assert [path.name for path in tmp_path.iterdir()] == ["all.parquet"]


def test_a_table_of_a_list_answers_questions(api: Api, tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    output = tmp_path / "shop.parquet"
    assert export(api, output, "--app", "shop", "--user", "ada") == 0

    found = duckdb.sql(
        'select type, count(*), min("at") <= max("at"), min(json_extract_string(data, \'$.role\'))'
        f" from '{output}' where kind = 'session' group by type order by type"
    ).fetchall()

    assert [row[:3] for row in found] == [
        (name, 1, True)
        for name in ("agent.message", "message.added", "session.created", "turn.started")
    ]
    assert found[1][3] == "user"


def test_the_guide_names_the_columns(api: Api, tmp_path: Path) -> None:
    output = tmp_path / "all.parquet"
    assert export(api, output) == 0
    guide = (ROOT / "docs" / "export-import.md").read_text("utf-8")

    for field in pyarrow_parquet.read_schema(output):
        kind = str(field.type).partition("[")[0]
        assert f"| `{field.name}` | {kind} |" in guide


def test_what_makes_no_table_is_said(
    api: Api, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = tmp_path / "taken.parquet"
    taken.touch()
    assert export(api, taken) == 2
    assert "is there already" in capsys.readouterr().err
    assert export(api, tmp_path / "table.csv") == 2
    assert ".parquet" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert export(api, tmp_path / "none.parquet") == 2
    assert "`cairn-sessions[parquet]`" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["taken.parquet"]
    assert taken.read_bytes() == b""


def test_a_record_that_cannot_be_read_is_named(api: Api, tmp_path: Path) -> None:
    session = api.create(app="damaged", user="ada")
    session.say()
    with psycopg.connect(api.database_url) as connection:  # type: ignore[attr-defined]
        connection.execute("alter table events disable trigger user")
        connection.execute(
            "update events set state = '{\"id\":[' where originator_id = %s"
            " and originator_version = 2",
            [session.id],
        )
        connection.execute("alter table events enable trigger user")

    assert export(api, tmp_path / "damaged.parquet", "--app", "damaged") == 0

    # The server has named it in its place.
    rows = pyarrow_parquet.read_table(tmp_path / "damaged.parquet").to_pylist()
    assert [(row["type"], row["version"]) for row in rows] == [
        ("session.created", 2),
        ("unreadable", 1),
    ]
