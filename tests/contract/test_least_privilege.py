"""The program's role reads the log and adds to it; it cannot rewrite what happened."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from secrets import token_hex

import psycopg
import pytest
from psycopg import Connection, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from infrastructure.postgres.connecting.migrations import MigrationError, grant, migrate
from tests.support.api import Api
from tests.support.postgres import Server
from tests.support.server import running

REPLACES_THE_GUARD = (
    "create or replace function refuse_change() returns trigger language plpgsql as"
    " $$ begin return new; end $$"
)


@pytest.fixture
def program_url(postgres_server: Server, database_url: str) -> Iterator[str]:
    name, password = f"cairn_program_{token_hex(4)}", token_hex(16)
    admin = postgres_server._admin
    role = sql.Identifier(name)
    admin.execute(
        sql.SQL("create role {} login nosuperuser password {}").format(role, sql.Literal(password))
    )
    grant(database_url, name)
    yield make_conninfo(database_url, user=name, password=password)
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute(sql.SQL("revoke all on all tables in schema public from {}").format(role))
        owner.execute(sql.SQL("revoke all on all functions in schema public from {}").format(role))
        owner.execute(sql.SQL("revoke all on schema public from {}").format(role))
    admin.execute(sql.SQL("drop role {}").format(role))


def test_the_program_works_with_no_more_than_it_is_given(program_url: str) -> None:
    with running(program_url) as base:
        api = Api(base)
        session = api.create(state={"a": 1, "app:b": 2, "user:c": 3})
        text = {"parts": [{"type": "text", "text": "hello"}]}
        session.post("/turns", {"turn_id": "t1", "input": text})
        assert session.post("/turns/t1/complete", {"stop_reason": "end_turn"}).status_code == 200
        assert session.post("/attach", {"holder": "me"}).status_code == 201
        assert session.get("/snapshot").status_code == 200
        assert session.post("/fork", {}).status_code == 201
        assert api.get("/v1/sessions").status_code == 200
        assert api.get("/ready").status_code == 200
        assert session.delete().status_code == 200
        api.close()


@pytest.mark.parametrize(
    "attack",
    [
        "update events set state = 'x'",
        "delete from events",
        "truncate events",
        "alter table events disable trigger user",
        "alter table events disable trigger all",
        "drop trigger events_are_facts on events",
        "drop table events cascade",
        REPLACES_THE_GUARD,
        "update shared_state_history set value = null",
        "delete from log_tiles",
        "update signed_heads set size = 0",
        "update store set identity = gen_random_uuid()",
        "delete from schema_migration",
        "set session_replication_role = replica",
        "alter table events owner to current_user",
        "alter role current_user superuser",
    ],
)
def test_what_the_role_of_the_program_cannot_do(program_url: str, attack: str) -> None:
    def asked(connection: Connection) -> None:
        connection.execute(attack)  # type: ignore[call-overload]

    with (
        psycopg.connect(program_url, autocommit=True) as connection,
        pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedColumn)),
    ):
        asked(connection)


def test_the_program_of_a_role_without_rights_to_migrate_finds_nothing_missing(
    program_url: str,
) -> None:
    assert migrate(program_url) == []


def test_several_processes_may_start_at_once(program_url: str, database_url: str) -> None:
    role = str(conninfo_to_dict(program_url)["user"])
    with ThreadPoolExecutor(8) as starting:
        for done in [starting.submit(grant, database_url, role) for _ in range(32)]:
            done.result()


def test_a_role_that_is_not_there_is_named(database_url: str) -> None:
    with pytest.raises(MigrationError, match=r"nobody_of_that_name.*make it first"):
        grant(database_url, "nobody_of_that_name")
