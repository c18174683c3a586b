"""The migration runner, on a Postgres of its own and with migrations made up for each test."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import conninfo

from infrastructure.embedded_postgres import EmbeddedPostgres
from infrastructure.postgres.connecting.migrations import MigrationError, migrate
from infrastructure.postgres.sql import load

ROOT = Path(__file__).resolve().parents[2]

RUNNER = """
import sys
from pathlib import Path
from infrastructure.postgres.connecting.migrations import migrate
print(",".join(migrate(sys.argv[1], folder=Path(sys.argv[2]))))
"""

ASKING = "select count(*) from pg_stat_activity where query like 'select pg_try_advisory_lock%'"

FUNCTION = """
create table note (n int);
create function double(n int) returns int language plpgsql as $body$
begin
  -- a semicolon; in a comment
  return n * 2;
end;
$body$;
insert into note values (double(21));
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(tmp_path_factory.mktemp("postgres"), durable=False) as postgres:
        yield postgres


@pytest.fixture
def url(server: EmbeddedPostgres) -> Iterator[str]:
    with psycopg.connect(server.superuser_url(), autocommit=True) as connection:
        connection.execute("create database trial owner cairn")
        yield conninfo.make_conninfo(server.url, dbname="trial")
        connection.execute("drop database trial with (force)")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    return folder


Query = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture
def query(url: str) -> Query:
    def ask(text: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(url, autocommit=True) as connection:
            return connection.execute(text.encode()).fetchall()

    return ask


def tables(query: Query) -> set[str]:
    return {
        name for (name,) in query("select tablename from pg_tables where schemaname = 'public'")
    }


def refusal(url: str, folder: Path, *, dry_run: bool = False) -> str:
    with pytest.raises(MigrationError) as refused:
        migrate(url, folder=folder, dry_run=dry_run)
    assert "\n" not in refused.value.message
    return refused.value.message


def test_applies_each_file_once_and_in_order(url: str, folder: Path, query: Query) -> None:
    (folder / "0001_notes.sql").write_text(FUNCTION)
    (folder / "0002_more.sql").write_text("insert into note values (100 % 58);")
    assert migrate(url, folder=folder) == ["0001_notes", "0002_more"]
    assert migrate(url, folder=folder) == []
    (folder / "0003_later.sql").write_text("insert into note values (42);")
    assert migrate(url, folder=folder) == ["0003_later"]
    assert query("select n from note") == [(42,), (42,), (42,)]


def test_a_dry_run_tells_and_leaves_nothing(url: str, folder: Path, query: Query) -> None:
    (folder / "0001_notes.sql").write_text(FUNCTION)
    assert migrate(url, folder=folder, dry_run=True) == ["0001_notes"]
    assert tables(query) == set()
    migrate(url, folder=folder)
    assert migrate(url, folder=folder, dry_run=True) == []


def test_four_at_once_apply_everything_once(url: str, folder: Path, query: Query) -> None:
    (folder / "0001_notes.sql").write_text(FUNCTION)
    (folder / "0002_index.sql").write_text(
        "-- no-transaction\n"
        "/* built; beside the writers */\n"
        "create index concurrently if not exists note_n on note (n); -- and;\n"
        "insert into note select double(n) from note where n = 42;\n"
    )
    (folder / "0003_last.sql").write_text("insert into note values (1)")
    runners = [
        subprocess.Popen(
            [sys.executable, "-c", RUNNER, url, str(folder)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    answers = sorted(runner.communicate(timeout=60)[0].strip() for runner in runners)
    assert answers == ["", "", "", "0001_notes,0002_index,0003_last"]
    assert [runner.returncode for runner in runners] == [0, 0, 0, 0]
    assert query("select n from note order by n") == [(1,), (42,), (84,)]
    assert query("select indisvalid from pg_index where indexrelid = 'note_n'::regclass") == [
        (True,)
    ]


def test_without_a_transaction_statements_are_told_apart(
    url: str, folder: Path, query: Query
) -> None:
    (folder / "0001_all.sql").write_text(
        f"-- no-transaction\n{FUNCTION}\n"
        "insert into note/* ; */values (length('a;''b')); insert into note values (7)"
    )
    assert migrate(url, folder=folder) == ["0001_all"]
    assert query("select n from note") == [(42,), (4,), (7,)]


def test_a_failing_file_leaves_nothing_half_done(url: str, folder: Path, query: Query) -> None:
    (folder / "0001_first.sql").write_text("create table first (n int)")
    (folder / "0002_broken.sql").write_text(
        "create table second (n int); insert into second values (1); select 1 / 0;"
    )
    (folder / "0003_third.sql").write_text("create table third (n int)")
    assert "0002_broken failed: division by zero" in refusal(url, folder)
    assert tables(query) == {"first", "schema_migration"}
    (folder / "0002_broken.sql").write_text("create table second (n int)")
    assert migrate(url, folder=folder) == ["0002_broken", "0003_third"]


def test_the_very_first_file_failing_leaves_an_empty_database(
    url: str, folder: Path, query: Query
) -> None:
    (folder / "0001_broken.sql").write_text("create table first (n int); select nonsense")
    refusal(url, folder)
    assert tables(query) == set()


@pytest.mark.parametrize("dry_run", [False, True])
def test_refuses_what_does_not_fit_the_history(url: str, folder: Path, *, dry_run: bool) -> None:
    first, second = folder / "0001_first.sql", folder / "0002_second.sql"
    first.write_text("create table first (n int)")
    second.write_text("create table second (n int)")
    migrate(url, folder=folder)

    first.write_text("create table first (n bigint)")
    assert "0001_first was edited after" in refusal(url, folder, dry_run=dry_run)
    first.write_text("create table first (n int)")

    renamed = second.rename(folder / "0002_other.sql")
    assert "has the migration 0002_second, where" in refusal(url, folder, dry_run=dry_run)
    renamed.unlink()
    assert "newer than this program, which knows 1" in refusal(url, folder, dry_run=dry_run)


def test_refuses_a_history_with_a_hole(url: str, folder: Path) -> None:
    for number in (1, 2):
        (folder / f"000{number}_t.sql").write_text(f"create table t{number} (n int)")
    migrate(url, folder=folder)
    with psycopg.connect(url) as connection:
        connection.execute("delete from schema_migration where number = 1")
    assert "0002_t, where this program has 0001_t" in refusal(url, folder)


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        (["0001_a", "0003_c"], "0003_c.sql stands where 0002 should"),
        (["0000_a"], "0000_a.sql stands where 0001 should"),
        (["0001_a", "0001_b"], "0001_b.sql stands where 0002 should"),
        (["1_a"], "1_a.sql is not named like"),
        (["0001_A"], "0001_A.sql is not named like"),
    ],
)
def test_refuses_files_out_of_order(
    url: str, folder: Path, query: Query, names: list[str], complaint: str
) -> None:
    for name in names:
        (folder / f"{name}.sql").write_text("select 1")
    assert complaint in refusal(url, folder)
    assert tables(query) == set()


def test_a_database_that_is_not_there_is_one_sentence(url: str, folder: Path) -> None:
    nowhere = conninfo.make_conninfo(url, dbname="nowhere")
    assert "cannot be reached" in refusal(nowhere, folder)
    assert "cannot be reached" in refusal("host=/nowhere", folder)


def test_a_killed_connection_is_told_from_a_wrong_statement(url: str, folder: Path) -> None:
    (folder / "0001_suicide.sql").write_text("select pg_terminate_backend(pg_backend_pid())")
    assert "cannot be reached, or went away" in refusal(url, folder)


def test_the_lock_goes_with_its_holder(url: str, folder: Path, query: Query) -> None:
    (folder / "0001_first.sql").write_text("create table first (n int)")
    with psycopg.connect(url, autocommit=True) as holder:
        key = {"key": 0x5E55_10_0001}
        assert holder.execute(load("migrations")["try_lock"], key).fetchone() == (True,)
        with subprocess.Popen(
            [sys.executable, "-c", RUNNER, url, str(folder)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        ) as runner:
            deadline = time.monotonic() + 20
            while query(ASKING)[0][0] < 2 and time.monotonic() < deadline:
                time.sleep(0.01)
            assert runner.poll() is None
            assert tables(query) == set()
            query(f"select pg_terminate_backend({holder.info.backend_pid})")
            assert runner.communicate(timeout=60)[0].strip() == "0001_first"


def test_the_loader_of_statements(tmp_path: Path) -> None:
    (tmp_path / "good.sql").write_text(
        "-- about the file\n\n-- name: first\n-- what it does\n-- and why\nselect 1 -- kept\n\n"
        "-- name: second\n\nselect\n  -- kept too\n  2;\n"
    )
    statements = load("good", folder=tmp_path)
    assert dict(statements) == {
        "first": "select 1 -- kept",
        "second": "select\n  -- kept too\n  2;",
    }


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("-- name: a\nselect 1\n-- name: a\nselect 2", "two statements of the name a"),
        ("-- name: a\n-- only words\n-- name: b\nselect 2", "no statement under the name a"),
        ("-- name: a", "no statement under the name a"),
        ("select 1\n-- name: b\nselect 2", "before the first name"),
    ],
)
def test_the_loader_refuses(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "bad.sql").write_text(text)
    with pytest.raises(ValueError, match=complaint):
        load("bad", folder=tmp_path)


def test_a_database_that_cannot_hold_every_character_is_refused(
    server: EmbeddedPostgres, folder: Path
) -> None:
    made = "create database ascii encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C'"
    with psycopg.connect(server.superuser_url(), autocommit=True) as connection:
        connection.execute(f"{made} template template0 owner cairn")
        try:
            with pytest.raises(MigrationError, match=r"SQL_ASCII.*createdb --encoding=UTF8"):
                migrate(conninfo.make_conninfo(server.url, dbname="ascii"), folder=folder)
        finally:
            connection.execute("drop database ascii with (force)")
