"""What was stored before a migration is right after it."""

from pathlib import Path
from shutil import copy
from typing import Any
from uuid import UUID

import psycopg
import pytest

from infrastructure.postgres.migrations import migrate

ROOT = Path(__file__).parents[2]
FIRST, SECOND = sorted((ROOT / "migrations").glob("000[12]_*.sql"))

STORED = """
insert into sessions
  select ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 1, n, sha256('x'), now(),
    now(), now(), 'shop', 'ada', null, null, null, null, 'user', %s, null, false, '{}', %s, %s
  from (select count(*) + 1 as n from sessions) as c
"""


@pytest.fixture
def url(database_url: str) -> str:
    """A schema of its own in which no migration has been applied."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("create schema before")
    return f"{database_url}&options=-csearch_path%3Dbefore"


def stored(connection: psycopg.Connection[Any], status: str, doc: str) -> None:
    connection.execute(STORED, (status, status == "deleted", doc))


def test_sessions_and_scopes_of_the_first_schema_are_right_in_the_second(
    url: str, tmp_path: Path
) -> None:
    copy(FIRST, tmp_path)
    assert len(migrate(url, folder=tmp_path)) == 1
    badges = [
        ("idle", '{"failure":null}', "idle"),
        ("idle", '{"failure":{"kind":"timeout","summary":"an earlier one"}}', "idle"),
        ("running", "{}", "running"),
        ("waiting", "{}", "running"),
        ("stopped", '{"failure":null}', "stopped"),
        ("stopped", '{"failure":{"kind":"","summary":"?"}}', "stopped"),
        ("stopped", '{"failure":{"kind":" cancellation ","summary":""}}', "stopped"),
        ("stopped", '{"failure":{"kind":"timeout","summary":"late"}}', "failed"),
        ("stopped", '{"failure":{"kind":"cosmic_ray"},"title":"a\\u0000b"}', "failed"),
        ("deleted", '{"failure":{"kind":"timeout"}}', "unknown"),
    ]
    one, two = UUID(int=1), UUID(int=2)
    with psycopg.connect(url, autocommit=True) as connection:
        for status, doc, _ in badges:
            stored(connection, status, doc)
        connection.execute(
            "insert into shared_state values (%s, 'app:a', '1', 7), (%s, 'app:b', null, 9),"
            " (%s, 'app:a', '1', 4)",
            (one, one, two),
        )
    copy(SECOND, tmp_path)
    assert len(migrate(url, folder=tmp_path)) == 1
    with psycopg.connect(url) as connection:
        rows = connection.execute("select status, doc, badge from sessions order by position")
        assert rows.fetchall() == badges
        rest = connection.execute(
            "select distinct parent_id, root_id, forked_from, due_at, hidden, live_parent"
            " from sessions"
        )
        assert rest.fetchall() == [(None, None, None, None, False, None)]
        scopes = connection.execute("select * from shared_scopes order by scope_id").fetchall()
        assert scopes == [(one, 9), (two, 4)]
