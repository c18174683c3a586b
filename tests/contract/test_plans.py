"""How Postgres finds things: by index ranges, whatever there is besides."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from datetime import timedelta
from typing import Any, LiteralString, get_args
from uuid import UUID

import psycopg
import pytest
from psycopg import AsyncConnection, Connection
from psycopg.rows import TupleRow

from application.ports.session.listing import After, SessionFilter, SessionOrder, SortKey
from domain.session.content.key_writes import SETTING_FIELDS, WRITER_NAMES
from infrastructure.postgres import sql
from infrastructure.postgres.session.session_list import CALLED, SESSION, session_list
from infrastructure.postgres.writing.arrays import UuidArray, register_arrays
from infrastructure.postgres.writing.batch import arguments
from infrastructure.postgres.writing.writer_connection import WriterConnection
from tests.support.appends import Chain, at

LOG, DEADLINES, JOINED = sql.load("log"), sql.load("deadlines"), sql.load("joined_pages")
READ_MODELS = {
    **sql.load("session_rows"),
    "session": SESSION,
    "called": CALLED,
    **sql.load("idempotency"),
    **sql.load("shared_state"),
    **sql.load("snapshots"),
    **sql.load("store"),
}
LONG, SHORT = UUID(int=1), UUID(int=2)
SESSIONS, LONG_HISTORY, SHORT_HISTORY = 6000, 3000, 3

_FILL = """
create temp table s as
  select n, ('00000000-0000-4000-8000-' || lpad(to_hex(n), 12, '0'))::uuid as id,
    timestamptz '2026-01-01 12:00+00' + n * interval '7 seconds' as t
  from generate_series(1, %(sessions)s) n;
insert into sessions
  select id, 2, 2 * n, sha256('x'), t + interval '1 hour',
    date_trunc('second', t + interval '1 hour'), t,
    case n %% 50 when 0 then 'app1' else 'app' || n %% 5 end,
    case n %% 50 when 0 then 'user1' else 'user' || n %% 40 end,
    null, null, null, null, 'user', 'idle', 'Title ' || n,
    case when n %% 9 = 0 then array['starred'] else '{}'::text[] end,
    case when n %% 50 = 0 then array['rare'] else '{}'::text[] end, n %% 20 = 0, '{}'
  from s;
insert into events
  select id, v, 'message.added', convert_to(repeat('x', 300), 'UTF8'), 2 * n + v - 2, sha256('x')
  from s, generate_series(1, 2) v;
insert into events
  select u.id, v,
    case v %% 10 when 0 then 'turn.started' when 5 then 'state.patched' else 'agent.message' end,
    convert_to(repeat('x', 300), 'UTF8'),
    2 * %(sessions)s + u.off + v, sha256('x')
  from (values (%(long)s::uuid, 0, %(longs)s), (%(short)s::uuid, %(longs)s, %(shorts)s))
    as u (id, off, many), generate_series(1, u.many) v;
insert into sessions
  select originator_id, max(originator_version), max(notification_id), sha256('x'), now(),
    date_trunc('second', now()), now(), 'app1', 'user1', null, null, null, null, 'user', 'idle',
    null, '{}', '{}', false, '{}'
  from events where originator_id in (%(long)s, %(short)s) group by 1;
update log_head set head = (select max(notification_id) from events);
insert into snapshots
  select id, v * 500, 1, '\\x00' from s, generate_series(1, 3) v;
insert into shared_state_history
  select id, 'app:' || v %% 4, n * 10 + v, '1', id, v from s, generate_series(1, 3) v;
insert into shared_state select id, 'app:a', '1', n from s;
insert into shared_scopes select id, n from s;
update sessions set badge = case when position %% 100 = 0 then 'hung' else 'idle' end,
  last_activity_at = updated_at, activity_second = updated_second,
  external_id = 'order ' || position,
  facets = jsonb_build_object(
    'kind', case when position %% 100 = 0 then 'rare' else 'common' end),
  due_at = case when position %% 7 = 0 then created_at end,
  parent_id = case position %% 100 when 2 then %(long)s::uuid when 4 then own.id end,
  root_id = case position %% 100 when 2 then %(long)s::uuid when 4 then own.id end,
  forked_from = case position %% 100 when 2 then %(long)s::uuid when 4 then own.id end
  from (select s.id as session, case when n < 200 then %(short)s::uuid else s.id end as id from s)
    as own
  where session_id = own.session;
update sessions set live_parent = parent_id, auto_stop = parent_id is not null where not deleted;
insert into leases select id, id, 'runtime', t, t, t from s;
insert into idempotency_keys
  select id, 'k', sha256('x'), id, 1, n, '{}', t from s;
drop table s;
"""


@pytest.fixture(scope="module")
def connection(postgres_server: Any) -> Iterator[Connection[TupleRow]]:
    """A database with some thousands of sessions, one of them long; nobody changes it."""
    with postgres_server.database() as url, psycopg.connect(url, autocommit=True) as connection:
        register_arrays(connection)
        many = {"sessions": SESSIONS, "longs": LONG_HISTORY, "shorts": SHORT_HISTORY}
        with psycopg.ClientCursor(connection) as cursor:
            cursor.execute(_FILL, {**many, "long": LONG, "short": SHORT})
        connection.execute("vacuum analyze")
        yield connection


def plan(
    connection: Connection[TupleRow], statement: str, values: Mapping[str, Any], *, generic: bool
) -> list[dict[str, Any]]:
    """Return the nodes of a plan, for these values or for whatever values there may come."""
    names = list(dict.fromkeys(re.findall(r"%\((\w+)\)[sb]", statement)))
    numbered = re.sub(r"%\((\w+)\)[sb]", lambda m: f"${names.index(m[1]) + 1}", statement)
    connection.execute("set plan_cache_mode = %s" % ("force_generic_plan" if generic else "auto"))
    connection.execute(f"prepare asked as {numbered}")  # type: ignore[arg-type]
    try:
        with psycopg.ClientCursor(connection) as cursor:
            places = ", ".join(f"%({name})s" for name in names)
            arguments = f"({places})" if names else ""
            cursor.execute(
                f"explain (format json) execute asked{arguments}",  # type: ignore[arg-type]
                values,
            )
            row = cursor.fetchone()
    finally:
        connection.execute("deallocate asked")
    assert row is not None
    return list(_nodes(row[0][0]["Plan"]))


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)


def indexes(nodes: list[dict[str, Any]]) -> set[str]:
    return {node["Index Name"] for node in nodes if "Index Name" in node}


def refuse(
    nodes: list[dict[str, Any]], *, tables: tuple[str, ...] = ("events", "sessions")
) -> None:
    """Refuse whole tables, and sorts of all that was found."""
    for node in nodes:
        assert not (node["Node Type"] == "Seq Scan" and node["Relation Name"] in tables), nodes
        assert node["Node Type"] != "Sort", nodes


@pytest.mark.parametrize("generic", [False, True], ids=["these values", "any values"])
@pytest.mark.parametrize("session", [LONG, SHORT], ids=["long", "short"])
def test_a_page_of_a_tail_is_a_range_of_the_primary_key(
    connection: Connection[TupleRow], session: UUID, generic: bool
) -> None:
    values = {"session": session, "after": 2, "upto": 2**63 - 1, "limit": 200}
    nodes = plan(connection, LOG["read_session"], values, generic=generic)
    refuse(nodes)
    assert [node["Node Type"] for node in nodes] == ["Limit", "Index Scan"]
    assert indexes(nodes) == {"events_pkey"}
    assert nodes[1]["Index Cond"].count("originator") == 3


@pytest.mark.parametrize("types", [[], ["agent.message"]], ids=["all", "by type"])
def test_the_newest_events_are_a_range_of_the_primary_key(
    connection: Connection[TupleRow], types: list[str]
) -> None:
    values: dict[str, Any] = {
        "session": LONG,
        "upto": 2**63 - 1,
        "types": types,
        "turn": None,
        "limit": 50,
        "bytes": 10**6,
    }
    nodes = plan(connection, LOG["read_newest"], values, generic=False)
    refuse(nodes)
    assert indexes(nodes) == {"events_pkey"}
    (scan,) = [node for node in nodes if "Scan Direction" in node]
    assert scan["Scan Direction"] == "Backward"


@pytest.mark.parametrize(
    "statement",
    [LOG["read_all"], JOINED["of_all"], JOINED["of_all_in_rows"]],
    ids=["rows", "joined", "short"],
)
def test_the_whole_feed_is_a_range_of_positions(
    connection: Connection[TupleRow], statement: LiteralString
) -> None:
    values = {"after": 9000, "upto": 9500, "limit": 200, "bytes": 10**6, "in_row": 1900}
    nodes = plan(connection, statement, values, generic=True)
    refuse([node for node in nodes if node.get("Relation Name") != "log_head"])
    assert indexes(nodes) >= {"events_by_position"}


@pytest.mark.parametrize("types", [[], ["agent.message"]], ids=["all", "by type"])
@pytest.mark.parametrize(
    "statement", [LOG["read_page"], JOINED["of_session"]], ids=["rows", "joined"]
)
def test_a_page_of_a_session_with_its_head_is_a_range_of_the_primary_key(
    connection: Connection[TupleRow], statement: LiteralString, types: list[str]
) -> None:
    values: dict[str, Any] = {
        "session": LONG,
        "after": 2,
        "upto": 10_002,
        "types": types,
        "limit": 200,
        "bytes": 10**6,
    }
    nodes = plan(connection, statement, values, generic=not types)
    # Of the few of a rare type in the window of sequences, the first are kept as they come.
    refuse([node for node in nodes if not types or node["Node Type"] != "Sort"])
    assert indexes(nodes) == {"events_pkey", "sessions_pkey"}


def test_a_page_of_short_records_is_a_range_of_the_primary_key_and_nothing_more(
    connection: Connection[TupleRow],
) -> None:
    values = {"session": LONG, "after": 2, "upto": 10_002, "limit": 200, "in_row": 1900}
    nodes = plan(connection, JOINED["of_session_in_rows"], values, generic=True)
    refuse([*nodes])
    assert "WindowAgg" not in {node["Node Type"] for node in nodes}
    assert indexes(nodes) == {"events_pkey", "sessions_pkey"}


@pytest.mark.parametrize("app", [None, "app1"])
def test_the_feed_is_a_range_of_positions(
    connection: Connection[TupleRow], app: str | None
) -> None:
    values: dict[str, Any] = {
        "after": 9000,
        "upto": 9500,
        "limit": 200,
        "bytes": 10**6,
        "all": True,
        "exact": [],
        "prefixes": [],
        "app": app,
        "user": None,
    }
    nodes = plan(connection, LOG["read_owned"], values, generic=False)
    assert "Seq Scan" not in {node["Node Type"] for node in nodes}
    assert indexes(nodes) == {"events_by_position", "sessions_pkey"}


def test_changes_since_a_position_are_a_range_of_positions(
    connection: Connection[TupleRow],
) -> None:
    newest = connection.execute("select head from log_head").fetchone()
    assert newest is not None
    nodes = plan(connection, LOG["changed_since"], {"after": newest[0] - 100}, generic=True)
    assert "events_by_position" in indexes(nodes)
    assert not any(
        node["Node Type"] == "Seq Scan" and node["Relation Name"] == "events" for node in nodes
    )


LISTS = {
    "of a user by update": ("updated_at_desc", "sessions_of_user_by_update"),
    "of a user by creation": ("created_at_desc", "sessions_of_user_by_creation"),
    "of a user by update, oldest first": ("updated_at_asc", "sessions_of_user_by_update"),
    "of a user by creation, oldest first": ("created_at_asc", "sessions_of_user_by_creation"),
    "of a user by activity": ("last_activity_at_desc", "sessions_of_user_by_activity"),
    "of all by activity": ("last_activity_at_desc", "sessions_by_activity"),
    "of all by update": ("updated_at_desc", "sessions_by_update"),
    "of all by creation": ("created_at_desc", "sessions_by_creation"),
}


FAMILY = {
    "parent": "sessions_of_parent",
    "root": "sessions_of_root",
    "forked_from": "sessions_of_origin",
}


def test_those_whose_id_begins_alike_are_a_range_of_the_key(
    connection: Connection[TupleRow],
) -> None:
    nodes = listing(connection, SessionFilter(first_id=SHORT, last_id=SHORT))
    assert indexes(nodes) == {"sessions_pkey"}


BY_UPDATE = SessionOrder()
ORDERS = [SessionOrder(by, descending) for by in get_args(SortKey) for descending in (True, False)]


def order_of(name: str) -> SessionOrder:
    by, _, direction = name.rpartition("_")
    return next(o for o in ORDERS if (o.by, o.descending) == (by, direction == "desc"))


def listing(
    connection: Connection[TupleRow],
    where: SessionFilter,
    order: SessionOrder = BY_UPDATE,
    after: After | None = None,
    limit: int = 20,
) -> list[dict[str, Any]]:
    """Return the plan of a list as the program asks for it, the worst one there may be."""
    asked = session_list(where, order, after, limit)
    nodes = plan(connection, asked.statement, asked.values, generic=not asked.planned_anew)
    return without_leases(nodes)


def without_leases(nodes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Refuse all but a look-up of the lease on each session of the page; return the rest."""
    (leases,) = (node for node in nodes if node.get("Relation Name") == "leases")
    assert (leases["Parent Relationship"], leases["Index Name"]) == ("SubPlan", "leases_pkey")
    # A result is where they are put beside the rows that were sorted.
    return [node for node in nodes if node is not leases and node["Node Type"] != "Result"]


@pytest.mark.parametrize("page", ["first", "next"])
@pytest.mark.parametrize("name", LISTS)
def test_a_list_is_a_range_of_an_index(
    connection: Connection[TupleRow], name: str, page: str
) -> None:
    statement, index = LISTS[name]
    owner = {"app": "app1", "user": "user1"} if "of a user" in name else {}
    middle = at(3600 * (0 if "creation" in name else 1) + 7 * SESSIONS / 2)
    after = After(middle, SHORT) if page == "next" else None
    nodes = listing(connection, SessionFilter(**owner), order_of(statement), after)
    refuse(nodes)
    assert indexes(nodes) == {index}, nodes
    # An incremental sort has only the sessions of one second in hand.
    assert {node["Node Type"] for node in nodes} <= {"Limit", "Index Scan", "Incremental Sort"}


@pytest.mark.parametrize("name", FAMILY)
def test_those_that_come_from_a_session_are_a_range_of_an_index(
    connection: Connection[TupleRow], name: str
) -> None:
    for by in ("created_at_desc", "created_at_asc"):
        for status in (None, ("idle",)):
            where = SessionFilter(**{name: LONG}, status=status)  # type: ignore[arg-type]
            nodes = listing(connection, where, order_of(by))
            refuse(nodes)
            assert indexes(nodes) == {FAMILY[name]}
            assert [node["Node Type"] for node in nodes] == ["Limit", "Index Scan"]
    # In another order the few there are may be sorted; no others are read.
    nodes = listing(connection, SessionFilter(**{name: SHORT}))  # type: ignore[arg-type]
    assert "Seq Scan" not in {node["Node Type"] for node in nodes}
    assert indexes(nodes) == {FAMILY[name]}


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("filtered", ["status", "badge"])
def test_a_list_by_status_or_badge_is_a_range_of_the_same_index(
    connection: Connection[TupleRow], name: str, filtered: str
) -> None:
    statement, index = LISTS[name]
    owner = {"app": "app1", "user": "user1"} if "of a user" in name else {}
    where = SessionFilter(**owner, **{filtered: ("idle",)})  # type: ignore[arg-type]
    nodes = listing(connection, where, order_of(statement))
    refuse(nodes)
    assert indexes(nodes) == {index}
    (scan,) = [node for node in nodes if node["Node Type"] == "Index Scan"]
    # What does not matter is not asked of any row.
    assert f"({filtered} = 'idle'::text)" in scan["Filter"]
    assert " IS NULL" not in scan["Filter"]


@pytest.mark.parametrize("app", [None, "app1"])
@pytest.mark.parametrize(("filtered", "value"), [("badge", "hung"), ("status", "running")])
def test_the_few_that_are_neither_idle_nor_stopped_have_an_index_of_their_own(
    connection: Connection[TupleRow], filtered: str, value: str, app: str | None
) -> None:
    where = SessionFilter(app=app, **{filtered: (value,)})  # type: ignore[arg-type]
    for by in ("last_activity_at_desc", "last_activity_at_asc"):
        nodes = listing(connection, where, order_of(by))
        refuse(nodes)
        assert indexes(nodes) == {f"sessions_by_{filtered}"}
        (scan,) = [node for node in nodes if node["Node Type"] == "Index Scan"]
        assert f"({filtered} = '{value}'::text)" in scan["Index Cond"]
    # Of several, what there is may be sorted; no others are read.
    several = {"badge": ("hung", "waiting-for-auth"), "status": ("running", "waiting")}[filtered]
    nodes = listing(connection, SessionFilter(app=app, **{filtered: several}))  # type: ignore[arg-type]
    assert indexes(nodes) == {f"sessions_by_{filtered}"}


def test_every_filter_and_order_of_the_program_has_a_condition(
    connection: Connection[TupleRow],
) -> None:
    samples = {
        "datetime": at(5),
        "UUID": LONG,
        "bool": True,
        "tuple": ("x",),
        "Mapping": {"k": "x"},
        "str": "x",
    }
    values: dict[str, Any] = {
        field.name: next(one for kind, one in samples.items() if kind in str(field.type))
        for field in fields(SessionFilter)
    }
    for order in ORDERS:
        for name, value in values.items():
            listing(connection, SessionFilter(**{name: value}), order)
        last = After("x" if order.by == "title" else at(5), SHORT)
        listing(connection, SessionFilter(**values), order, last)


def test_a_rare_tag_is_found_by_its_index(connection: Connection[TupleRow]) -> None:
    nodes = listing(connection, SessionFilter(tag="rare"), limit=50)
    assert not any(node["Node Type"] == "Seq Scan" for node in nodes)
    assert indexes(nodes) <= {"sessions_by_tag", "sessions_by_update"}


def test_metadata_is_found_by_its_index(connection: Connection[TupleRow]) -> None:
    nodes = listing(connection, SessionFilter(facets={"kind": "rare"}), limit=50)
    assert "Seq Scan" not in {node["Node Type"] for node in nodes}
    assert indexes(nodes) == {"sessions_by_facet"}
    # What most sessions say is not looked up: they are read in their order.
    nodes = listing(connection, SessionFilter(facets={"kind": "common"}))
    refuse(nodes)
    assert indexes(nodes) == {"sessions_by_update"}


def test_roots_are_read_in_the_order_of_the_list(connection: Connection[TupleRow]) -> None:
    nodes = listing(connection, SessionFilter(app="app1", user="user1", roots=True))
    refuse(nodes)
    assert indexes(nodes) == {"sessions_of_user_by_update"}


@pytest.mark.parametrize("app", [None, "app1"])
def test_a_session_is_found_by_its_external_id(
    connection: Connection[TupleRow], app: str | None
) -> None:
    nodes = listing(connection, SessionFilter(app=app, external_id="order 8"))
    assert indexes(nodes) == {"sessions_by_external_id"}
    named = {"external_id": "order 8", "limit": 2}
    nodes = without_leases(plan(connection, READ_MODELS["called"], named, generic=True))
    refuse(nodes)
    assert indexes(nodes) == {"sessions_by_external_id"}


ONE = {
    "session": {"session": LONG},
    "answer": {"scope": LONG, "key": "k"},
    "shared_with": {"session": LONG, "scopes": [LONG, UUID(int=2)]},
    "scope": {"scope": LONG},
    "scope_at": {"scope": LONG, "at": 5000},
    "load_snapshot": {"session": LONG, "upto": 10_000, "oldest": 1, "format": 1},
}


@pytest.mark.parametrize("name", ONE)
def test_what_is_asked_by_key_is_found_by_key(connection: Connection[TupleRow], name: str) -> None:
    nodes = plan(connection, READ_MODELS[name], ONE[name], generic=True)
    assert indexes(nodes)
    assert all(index.endswith("_pkey") for index in indexes(nodes))
    assert not any(node["Node Type"] == "Seq Scan" for node in nodes)


def test_the_history_of_a_shared_key_is_a_range_of_its_primary_key(
    connection: Connection[TupleRow],
) -> None:
    values = {"scope": LONG, "key": "app:a", "before": 5000, "limit": 50}
    nodes = plan(connection, READ_MODELS["key_history"], values, generic=True)
    refuse(nodes, tables=("events", "shared_state_history", "sessions"))
    assert indexes(nodes) == {"shared_state_history_pkey", "events_pkey", "sessions_pkey"}
    (scan,) = [node for node in nodes if node.get("Index Name") == "shared_state_history_pkey"]
    assert scan["Scan Direction"] == "Backward"
    assert scan["Index Cond"].count("h.") + scan["Index Cond"].count("$") >= 3


@pytest.mark.parametrize("generic", [False, True], ids=["these values", "any values"])
def test_the_writes_to_a_key_are_a_range_of_the_primary_key(
    connection: Connection[TupleRow], generic: bool
) -> None:
    values = {"session": LONG, "key": "k", "before": 2000, "limit": 50}
    values |= {"types": list(WRITER_NAMES), "fields": list(SETTING_FIELDS)}
    nodes = plan(connection, LOG["key_writes"], values, generic=generic)
    assert indexes(nodes) == {"events_pkey"}
    assert "Seq Scan" not in {node["Node Type"] for node in nodes}
    (scan,) = [node for node in nodes if "Index Name" in node]
    assert scan["Index Cond"].count("originator") == 2
    if generic:
        refuse(nodes)
        assert scan["Scan Direction"] == "Backward"


DUE = {
    "due": ({"limit": 20}, "sessions_by_deadline"),
    "next_due": ({}, "sessions_by_deadline"),
    "reschedule": ({"session": LONG, "seen": at(0), "until": at(1)}, "sessions_pkey"),
}


@pytest.mark.parametrize("name", DUE)
def test_what_is_due_is_found_by_its_time(connection: Connection[TupleRow], name: str) -> None:
    values, index = DUE[name]
    nodes = plan(connection, DEADLINES[name], values, generic=True)
    refuse(nodes)
    assert indexes(nodes) == {index}


def test_orphans_are_looked_for_among_children_that_have_not_ended(
    connection: Connection[TupleRow],
) -> None:
    nodes = plan(connection, DEADLINES["orphans"], {"limit": 20}, generic=True)
    refuse(nodes)
    assert indexes(nodes) == {"sessions_with_live_parent", "sessions_pkey"}


def test_living_children_are_found_by_their_parent(connection: Connection[TupleRow]) -> None:
    nodes = plan(connection, READ_MODELS["living_children"], {"parent": UUID(int=1)}, generic=True)
    refuse(nodes)
    assert indexes(nodes) == {"sessions_with_live_parent"}


def test_old_answers_are_found_by_their_age(connection: Connection[TupleRow]) -> None:
    values = {"older_than": timedelta(days=1), "limit": 50}
    nodes = plan(connection, READ_MODELS["forget_answers"], values, generic=True)
    refuse(nodes, tables=("idempotency_keys",))
    assert indexes(nodes) == {"idempotency_keys_by_age"}
    assert "Tid Scan" in {node["Node Type"] for node in nodes}


def pages_touched(connection: Connection[TupleRow], chain: Chain, events: int) -> int:
    """Return how many pages one append reads or writes, and undo it."""
    append = chain.next(events)
    append.row = None
    explain = "explain (analyze, buffers, format json) " + LOG["append"]
    for method in ("seqscan", "hashjoin", "mergejoin"):
        connection.execute(f"set enable_{method} = off")
    with connection.transaction(force_rollback=True):
        cursor = connection.execute(explain, arguments([append]))
        row = cursor.fetchone()
    connection.execute("reset all")
    assert row is not None
    top = (row[0] if isinstance(row[0], list) else json.loads(row[0]))[0]["Plan"]
    return int(top["Shared Hit Blocks"] + top["Shared Read Blocks"])


@pytest.mark.parametrize("events", [1, 20])
def test_an_append_touches_as_many_pages_after_a_long_history_as_after_a_short_one(
    connection: Connection[TupleRow], events: int
) -> None:
    long, short = Chain(LONG, LONG_HISTORY), Chain(SHORT, SHORT_HISTORY)
    pages_touched(connection, short.fork(), events)
    after_short = pages_touched(connection, short.fork(), events)
    after_long = pages_touched(connection, long.fork(), events)
    assert after_long <= after_short + 10
    assert after_long < 60 + 12 * events


def test_moving_sessions_on_looks_them_up_by_key(connection: Connection[TupleRow]) -> None:
    source = connection.execute(
        "select prosrc from pg_proc where proname = 'append_batch_v1'"
    ).fetchone()
    assert source is not None
    update = re.search(r"update sessions as s\s+set sequence = t\.after.*?;", source[0], re.DOTALL)
    assert update is not None
    statement = update[0].rstrip(";").replace("base", "0")
    for number, (name, kind) in enumerate(
        [("session", "uuid"), ("before", "bigint"), ("after", "bigint"), ("offset", "bigint"),
         ("digest", "bytea"), ("at", "timestamptz"), ("activity", "timestamptz"),
         ("messages", "bigint"), ("tool", "text")]
    ):  # fmt: skip
        statement = re.sub(rf"\bt_{name}\b", f"${number + 1}::{kind}[]", statement)
    for method in ("seqscan", "hashjoin", "mergejoin"):
        connection.execute(f"set enable_{method} = off")  # type: ignore[arg-type]
    connection.execute("set plan_cache_mode = force_generic_plan")
    connection.execute(f"prepare moved as {statement}")  # type: ignore[arg-type]
    row = connection.execute(
        "explain (format json) execute moved ('{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}')"
    ).fetchone()
    connection.execute("deallocate moved")
    connection.execute("reset all")
    assert row is not None
    nodes = list(_nodes(row[0][0]["Plan"]))
    assert "sessions_pkey" in indexes(nodes)
    assert not any(node["Node Type"] == "Seq Scan" for node in nodes)


async def test_a_writer_plans_its_statements_once(database_url: str) -> None:
    writer = WriterConnection(lambda: AsyncConnection.connect(database_url, autocommit=True), 60.0)
    connection = await writer.open()
    try:
        for number in range(3):
            session = UuidArray([UUID(int=number).bytes])
            await connection.execute(LOG["scope_versions"], {"scope": session})
        found = await connection.execute(
            "select generic_plans, custom_plans from pg_prepared_statements"
            " where statement like '%shared_scopes%' and statement not like '%custom_plans%'"
        )
        assert await found.fetchall() == [(3, 0)]
    finally:
        await writer.close()
