"""What the database answers is an outcome: refused at once, nothing stored, over by itself.

Each row of the table is caused on a real Postgres. What a test cannot cause without a disk of its
own (a full disk, no memory, an input or output error) is raised by a trigger with that SQLSTATE.
"""

import asyncio
import logging
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from secrets import token_hex
from time import monotonic
from typing import LiteralString

import psycopg
import pytest
from psycopg import AsyncConnection

from application.errors import OutcomeUnknown, StoreUnavailable
from infrastructure.postgres import sql
from infrastructure.postgres.connecting.database import Database
from infrastructure.postgres.connecting.outcomes import _TABLE, outcome_of
from infrastructure.postgres.log.event_log import PostgresEventLog
from infrastructure.postgres.writing import group_commit
from infrastructure.postgres.writing.arrays import register_arrays
from infrastructure.postgres.writing.group_commit import CommitLimits
from infrastructure.postgres.writing.rehearsal import rehearse
from tests.support.appends import Chain
from tests.support.own_logs import own_records
from tests.support.postgres import Server
from tests.support.proxy import Proxy

PATIENCE = 2.0
BUSY = 10.0
"""Seconds that a busy machine may take for what is at once on an idle one."""
LONG = 30.0


@asynccontextmanager
async def log_on(
    url: str, patience: float = PATIENCE, kind: type[Database] = Database
) -> AsyncIterator[PostgresEventLog]:
    database = kind(url, readers=2)
    await database.open()
    log = PostgresEventLog(database, lambda _: None, limits=CommitLimits(patience=patience))
    await log.start()
    try:
        yield log
    finally:
        await log.stop()
        await database.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - the writers have no event for it
            await asyncio.sleep(0.01)


async def refused(log: PostgresEventLog, chain: Chain) -> StoreUnavailable:
    """Return why an append is refused, which does not wait for the patience to run out."""
    with pytest.raises(StoreUnavailable) as refusal:
        await log.append(chain.fork().next())
    return refusal.value


async def stored(url: str) -> int:
    async with await AsyncConnection.connect(url, autocommit=True) as connection:
        row = await (await connection.execute("select count(*) from events")).fetchone()
    return row[0] if row else 0


RAISES: LiteralString = """
create function fault() returns trigger language plpgsql as $$
begin raise exception 'on purpose' using errcode = %s; end $$;
create trigger fault before insert on events for each row execute function fault();
create trigger fault before insert on write_probe for each row execute function fault()
"""
TWICE: LiteralString = """
create function fault() returns trigger language plpgsql as $$
begin
  if nextval('tries') < 3 then raise exception 'on purpose' using errcode = %s; end if;
  return new;
end $$;
create trigger fault before insert on events for each row execute function fault()
"""
MENDS: LiteralString = "drop function fault cascade"


REFUSED = {
    "53100": "disk_full",
    "53200": "out_of_memory",
    "53400": "limit_reached",
    "58030": "io_error",
    "57014": "timed_out",
    "55P03": "timed_out",
    "XX001": "corrupted",
    "XX002": "corrupted",
    "XX000": "internal_error",
    "CN002": "corrupted",
    "42501": "permission",
}
TRIED_AGAIN = (
    "08006",
    "0A000",
    "25P03",
    "25P04",
    "26000",
    "40001",
    "40P01",
    "57P01",
    "57P02",
    "57P03",
    "57P04",
    "57P05",
)
CHANGED: dict[str, tuple[LiteralString, LiteralString, str]] = {
    "42P01": ("alter table sessions rename to t", "alter table t rename to sessions", "schema"),
    "42703": (
        "alter table sessions rename column num_messages to n",
        "alter table sessions rename column n to num_messages",
        "schema",
    ),
    "42883": (
        "alter function append_batch_v1 rename to f",
        "alter function f rename to append_batch_v1",
        "schema",
    ),
    "42501": (
        "revoke insert on events from current_user",
        "grant insert on events to current_user",
        "permission",
    ),
}
ELSEWHERE = ("25006", "28", "53300")
"""Have tests of their own below."""


def test_every_row_of_the_table_has_a_test() -> None:
    tested = {*REFUSED, *TRIED_AGAIN, *CHANGED, *ELSEWHERE}

    assert {row for row in _TABLE if not any(one.startswith(row) for one in tested)} == set()


@pytest.mark.parametrize(("code", "reason"), REFUSED.items())
async def test_what_the_server_refuses_is_refused_at_once_and_over_by_itself(
    database_url: str, code: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        log_on(database_url, patience=LONG) as log,
        await AsyncConnection.connect(database_url, autocommit=True) as owner,
    ):
        chain = Chain()
        await log.append(chain.next())
        await owner.execute(psycopg.sql.SQL(RAISES.replace("%s", "{}")).format(code))
        with caplog.at_level(logging.WARNING, "cairn.store"):
            started = monotonic()
            first = await refused(log, chain)
            for _ in range(5):
                await refused(log, chain)
            assert monotonic() - started < LONG
            assert first.facts["reason"] == reason
            assert log.trouble is not None
            assert log.trouble.reason == reason
            assert await stored(database_url) == 1
            assert [r.levelname for r in own_records(caplog)] == ["ERROR"]

            await owner.execute(MENDS)
            await until(lambda: log.trouble is None)

            assert caplog.records[-1].message.startswith("writes are taken again after")
        await log.append(chain.next())
        assert await stored(database_url) == 2


@pytest.mark.parametrize("code", TRIED_AGAIN)
async def test_what_may_go_better_is_tried_again_and_stored_once(
    database_url: str, code: str
) -> None:
    async with (
        log_on(database_url, patience=10.0) as log,
        await AsyncConnection.connect(database_url, autocommit=True) as owner,
    ):
        chain = Chain()
        await log.append(chain.next())
        # What a sequence has given out stays so when the transaction is rolled back.
        await owner.execute("create sequence tries")
        await owner.execute(psycopg.sql.SQL(TWICE.replace("%s", "{}")).format(code))

        assert await log.append(chain.next()) == 2

        assert await stored(database_url) == 2
        row = await (await owner.execute("select last_value from tries")).fetchone()
        assert row == (3,)
        assert log.trouble is None


@pytest.mark.parametrize(("code", "change"), CHANGED.items())
async def test_a_schema_or_rights_that_do_not_fit_are_named_until_they_do(
    database_url: str,
    code: str,
    change: tuple[LiteralString, LiteralString, str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    spoil, mend, reason = change
    tries = 0

    class Counting(Database):
        async def connect(self, name: str) -> AsyncConnection:
            nonlocal tries
            tries += 1
            return await super().connect(name)

    async with (
        log_on(database_url, patience=3.0, kind=Counting) as log,
        await AsyncConnection.connect(database_url, autocommit=True) as owner,
    ):
        chain = Chain()
        await log.append(chain.next())
        await owner.execute(spoil)

        with caplog.at_level(logging.WARNING, "cairn.store"):
            refusal = await refused(log, chain)

            assert refusal.facts["reason"].startswith(reason)
            # What is looked at every second is what appends need, and not only whether space is.
            opened = tries
            await until(lambda: tries >= opened + 2)
            assert log.trouble is not None
            assert [r.levelname for r in own_records(caplog)] == ["ERROR"]
        await owner.execute(mend)
        assert await stored(database_url) == 1
        await until(lambda: log.trouble is None)
        assert await log.append(chain.next()) == 2


async def test_a_statement_that_takes_too_long_is_ended_by_the_server(database_url: str) -> None:
    # The server gives up some tenths of a second before we do, which is little on a busy machine.
    patience = 2 * PATIENCE
    async with (
        log_on(database_url, patience) as log,
        await AsyncConnection.connect(database_url, autocommit=True) as owner,
    ):
        slow = RAISES.replace("raise exception", "perform pg_sleep(60); raise exception")
        await owner.execute(slow.replace("%s", "'58030'"))
        started = monotonic()

        refusal = await refused(log, Chain())

        assert refusal.facts["reason"] == "timed_out"
        assert monotonic() - started < patience + BUSY
        await owner.execute(MENDS)
        assert await stored(database_url) == 0


async def test_a_role_that_may_not_connect_is_named(
    postgres_server: Server, database_url: str
) -> None:
    admin = postgres_server._admin
    if admin.execute("select rolsuper from pg_roles where rolname = current_user").fetchone() != (
        True,
    ):
        pytest.skip("only a superuser can make a role")
    name = f"cairn_test_outsider_{token_hex(4)}"
    role = psycopg.sql.Identifier(name)
    admin.execute(psycopg.sql.SQL("create role {} nologin").format(role))
    try:
        with pytest.raises(psycopg.OperationalError) as told:
            await AsyncConnection.connect(database_url, user=name)
    finally:
        admin.execute(psycopg.sql.SQL("drop role {}").format(role))

    outcome = outcome_of(told.value)
    assert outcome is not None
    assert (outcome.reaction, outcome.reason) == ("reconnect", "permission")


async def test_a_database_that_is_read_only_is_left_for_another_host(database_url: str) -> None:
    async with (
        log_on(database_url, patience=LONG) as log,
        await AsyncConnection.connect(database_url, autocommit=True) as owner,
    ):
        chain = Chain()
        await log.append(chain.next())
        name = psycopg.sql.Identifier(owner.info.dbname)
        change = psycopg.sql.SQL("alter database {} set default_transaction_read_only = {}")
        await owner.execute(change.format(name, psycopg.sql.Literal("on")))
        # The connections that there are keep their setting: end them, as a failover does.
        await owner.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where application_name = 'cairn writer' and datname = current_database()"
        )

        refusal = await refused(log, chain)

        assert refusal.facts["reason"] == "read_only"
        await owner.execute("set default_transaction_read_only = off")
        await owner.execute(change.format(name, psycopg.sql.Literal("off")))
        await until(lambda: log.trouble is None)
        await log.append(chain.next())
        assert await stored(database_url) == 2


async def test_a_lock_on_the_head_is_waited_for_no_longer_than_the_patience(
    database_url: str,
) -> None:
    async with (
        log_on(database_url) as log,
        await AsyncConnection.connect(database_url) as blocker,
    ):
        await log.append(Chain().next())
        await blocker.execute("select head from log_head for update")
        started = monotonic()
        appends = [log.append(Chain().next()) for _ in range(20)]

        answers = await asyncio.gather(*appends, return_exceptions=True)

        assert monotonic() - started < PATIENCE + BUSY
        assert all(isinstance(one, StoreUnavailable | OutcomeUnknown) for one in answers)
        assert log.trouble is not None
        await blocker.rollback()
        await until(lambda: log.trouble is None)
        before = await stored(database_url)
        unknown = sum(isinstance(one, OutcomeUnknown) for one in answers)
        assert 1 <= before <= 1 + unknown
        await log.append(Chain().next())
        assert await stored(database_url) == before + 1


async def test_a_probe_does_not_get_past_what_appends_wait_for(database_url: str) -> None:
    """Else a process would be ready now and then while nobody gets anything written."""
    probe = sql.load("writer")["probe"]
    async with (
        await AsyncConnection.connect(database_url) as blocker,
        await AsyncConnection.connect(database_url, autocommit=True) as writer,
    ):
        await blocker.execute("select head from log_head for update")
        await writer.execute("set lock_timeout = '100ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            await writer.execute(probe, {"filler": b"a"})
        await blocker.rollback()
        await writer.execute(probe, {"filler": b"a"})


async def test_a_server_that_takes_no_more_connections_is_named(database_url: str) -> None:
    async with (
        log_on(database_url, patience=LONG) as log,
        await AsyncConnection.connect(database_url, autocommit=True) as owner,
    ):
        chain = Chain()
        await log.append(chain.next())
        row = await (
            await owner.execute("select usesuper from pg_user where usename = current_user")
        ).fetchone()
        if row == (True,):
            pytest.skip("a superuser is connected whatever the limit is")
        limit = psycopg.sql.SQL("alter database {} connection limit {}")
        name = psycopg.sql.Identifier(owner.info.dbname)
        await owner.execute(limit.format(name, psycopg.sql.Literal(0)))
        await owner.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where application_name = 'cairn writer' and datname = current_database()"
        )
        # What is sent on a connection that is lost may be stored: here nothing is sent.
        log._commits._distrust_the_connections()

        # Whoever waits for too long hears why.
        assert (await refused(log, chain)).facts["reason"] == "connection_limit"
        assert log.trouble is not None
        assert log.trouble.reason == "connection_limit"
        waiting = asyncio.create_task(log.append(chain.next()))

        await owner.execute(limit.format(name, psycopg.sql.Literal(-1)))
        assert await waiting == 2
        assert log.trouble is None


async def test_connections_that_go_silent_are_left_and_nothing_is_lost_or_doubled(
    database_url: str,
) -> None:
    """The database can be reached all the time, by new connections."""
    with tempfile.TemporaryDirectory(prefix="cairn-proxy-") as directory:
        proxy = Proxy(database_url, Path(directory), b"cairn writer")
        async with proxy.serve(), log_on(proxy.url) as log:
            chains = [Chain() for _ in range(12)]
            await asyncio.gather(*(log.append(chain.next()) for chain in chains))
            proxy.freeze()
            started = monotonic()
            later = [chain.fork() for chain in chains]

            answers = await asyncio.gather(
                *(log.append(chain.next(2)) for chain in later), return_exceptions=True
            )

            told = monotonic() - started
            assert told < PATIENCE + BUSY
            unknown = [one for one in answers if not isinstance(one, int)]
            assert all(isinstance(one, OutcomeUnknown | StoreUnavailable) for one in unknown)
            await until(lambda: log.trouble is None)
            await log.append(Chain().next())
            counted = await stored(database_url)
            # What was held back arrives at last: its server process is gone.
            proxy.thaw()
            await log.append(Chain().next())
            assert await stored(database_url) == counted + 1
            acknowledged = 12 + 2 * (len(answers) - len(unknown)) + 1
            assert acknowledged <= counted <= acknowledged + 2 * len(unknown)


async def test_what_was_prepared_for_another_schema_is_prepared_again(database_url: str) -> None:
    database = Database(database_url, readers=1)
    await database.open()
    async with await AsyncConnection.connect(database_url, autocommit=True) as owner:
        await owner.execute("create table counted (many int); insert into counted values (3)")
        for _ in range(10):
            assert await database.fetch("select many from counted", {}) == [(3,)]

        await owner.execute("alter table counted alter column many type bigint")
        assert await database.fetch("select many from counted", {}) == [(3,)]

        for _ in range(10):
            assert await database.fetch("select many + 1 from counted", {}) == [(4,)]
        await database.run("deallocate all", {})
        assert await database.fetch("select many + 1 from counted", {}) == [(4,)]
    await database.close()


async def test_an_event_beyond_the_head_is_told_of_until_it_is_mended(database_url: str) -> None:
    beyond = """
        insert into events
          (originator_id, originator_version, notification_id, topic, state, digest, erased_hash)
        select gen_random_uuid(), 1, head + 1, topic, state, digest, erased_hash
        from log_head, (select * from events limit 1) as any_event
    """
    async with (
        log_on(database_url, patience=LONG) as log,
        await AsyncConnection.connect(database_url, autocommit=True) as owner,
    ):
        register_arrays(owner)
        chain = Chain()
        await log.append(chain.next())
        await owner.execute(beyond)
        for _ in range(2):
            refusal = await refused(log, Chain())
            assert refusal.facts["reason"] == "corrupted"
            assert "position_beyond_head" in refusal.detail
        assert log.trouble is not None
        with pytest.raises(psycopg.Error) as rehearsed:
            await rehearse(owner)
        assert rehearsed.value.sqlstate == "CN002"
        # What is up to the head is read as ever.
        assert len(await log.read(chain.session_id, limit=9)) == 1

        await owner.execute("update log_head set head = (select max(notification_id) from events)")
        assert await log.append(chain.next()) == 3


async def test_a_rehearsal_takes_space_of_the_disk_for_a_moment(database_url: str) -> None:
    """A small append fits into pages that Postgres has already, however full the disk is."""
    taken = "select temp_bytes from pg_stat_database where datname = current_database()"
    async with await AsyncConnection.connect(database_url, autocommit=True) as owner:
        register_arrays(owner)
        await rehearse(owner)
        await owner.execute("select pg_stat_force_next_flush()")
        await owner.execute("select 1")
        row = await (await owner.execute(taken)).fetchone()
    assert row is not None
    assert row[0] >= 1024 * 1024


async def test_an_append_that_is_rehearsed_leaves_nothing_behind(database_url: str) -> None:
    async with (
        log_on(database_url) as log,
        await AsyncConnection.connect(database_url, autocommit=True) as owner,
    ):
        register_arrays(owner)

        await rehearse(owner)
        await rehearse(owner)

        assert await stored(database_url) == 0
        for table in ("sessions", "idempotency_keys", "log_head"):
            rows = psycopg.sql.SQL("select * from {}").format(psycopg.sql.Identifier(table))
            found = await (await owner.execute(rows)).fetchall()
            assert found == ([(0, 0)] if table == "log_head" else []), table
        assert await log.append(Chain().next()) == 1


async def test_a_log_to_which_nothing_is_written_knows_whether_it_could_be(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        log_on(database_url) as log,
        await AsyncConnection.connect(database_url, autocommit=True) as owner,
    ):
        monkeypatch.setattr(group_commit, "_KNOWN_FOR", 3600.0)
        await log.look()
        await until(lambda: log._commits.health.heard_at > 0)
        await owner.execute(
            "create function fault() returns trigger language plpgsql as $$"
            " begin raise exception 'on purpose' using errcode = '42501'; end $$;"
            " create trigger fault before insert on events for each row execute function fault()"
        )
        await log.look()
        # What was known a moment ago is not asked again.
        assert log.trouble is None
        monkeypatch.setattr(group_commit, "_KNOWN_FOR", 0.0)
        await asyncio.gather(log.look(), log.look())
        await until(lambda: log.trouble is not None)
        assert log.trouble is not None
        assert log.trouble.reason == "permission"
        await owner.execute("drop function fault cascade")
        await until(lambda: log.trouble is None)
        async with owner.transaction():
            await owner.execute("select from log_head for update")
            await log.look()
            await until(lambda: log.trouble is not None)
        await until(lambda: log.trouble is None)
        assert await stored(database_url) == 0


def test_an_error_about_the_values_is_no_outcome_of_the_database() -> None:
    assert outcome_of(psycopg.errors.InvalidTextRepresentation()) is None
    assert outcome_of(psycopg.errors.UniqueViolation()) is None
    assert outcome_of(ValueError()) is None
