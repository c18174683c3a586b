"""Of all who may run a job one does, and when it goes another one comes."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, LiteralString

import psycopg
import pytest
from prometheus_client import REGISTRY
from psycopg import AsyncConnection, sql

from application.errors import Busy, OutcomeUnknown, StoreUnavailable
from domain.errors import LogDamaged
from infrastructure.postgres.connecting.database import Database
from infrastructure.postgres.connecting.job_board import JobBoard
from infrastructure.postgres.connecting.single_owner import SingleOwner, nudge
from tests.support.tasks import no_task_left

PATIENCE = 30.0
LONG = 3600.0
SOON = 0.02


async def until(holds: Callable[[], bool]) -> None:
    """Wait for what is under way."""
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110 - what is waited for happens in a database
            await asyncio.sleep(0.005)


async def until_true(connection: AsyncConnection, question: LiteralString) -> None:
    """Wait until the database says yes."""
    async with asyncio.timeout(PATIENCE):
        while await (await connection.execute(question)).fetchone() != (True,):  # noqa: ASYNC110
            await asyncio.sleep(SOON)


class Candidate:
    """One process, as far as the job is concerned."""

    def __init__(
        self, database: Database, name: str, *, silence: float = LONG, **rest: Any
    ) -> None:
        self.rounds = 0
        self.let_go = 0
        self.running = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.database = database
        pauses = {"retry": SOON, "pause": SOON, **rest}
        self.board = JobBoard(database, every=SOON, silence=silence)
        self.owner = SingleOwner(
            database, self.board, name, self.work, let_go=self._let_go, **pauses
        )

    async def work(self) -> float:
        self.rounds += 1
        self.running += 1
        try:
            await self.gate.wait()
        finally:
            self.running -= 1
        return LONG

    async def _let_go(self) -> None:
        self.let_go += 1


Opens = Callable[..., Awaitable[Candidate]]


@asynccontextmanager
async def candidates(url: str) -> AsyncIterator[Opens]:
    """Lend what opens candidates, and close them all."""
    with no_task_left():
        async with AsyncExitStack() as stack:

            async def open_one(name: str = "the job", **rest: Any) -> Candidate:
                database = Database(url, readers=1, patience=PATIENCE)
                await database.open()
                stack.push_async_callback(database.close)
                candidate = Candidate(database, name, **rest)
                await candidate.board.start()
                stack.push_async_callback(candidate.board.stop)
                await candidate.owner.start()
                stack.push_async_callback(candidate.owner.stop)
                return candidate

            yield open_one


def cut(url: str, name: str = "the job") -> int:
    """Have the server end the connections of the job's owner, and say how many there were."""
    with psycopg.connect(url, autocommit=True) as connection:
        return len(
            connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and application_name = %s",
                (f"cairn job {name}",),
            ).fetchall()
        )


async def test_one_of_many_runs_the_job(database_url: str) -> None:
    async with candidates(database_url) as opens:
        several = [await opens() for _ in range(4)]
        await until(lambda: any(one.rounds for one in several))
        for _ in range(3):
            await nudge(several[0].database, "the job")
            await asyncio.sleep(3 * SOON)

        assert sorted(one.owner.owns for one in several) == [False, False, False, True]
        assert sorted(one.rounds > 0 for one in several) == [False, False, False, True]


async def test_who_waits_for_the_job_holds_no_connection_for_it(database_url: str) -> None:
    async with candidates(database_url) as opens:
        owner = await opens()
        await until(lambda: owner.owner.owns)
        for _ in range(3):
            await opens()
        await asyncio.sleep(5 * SOON)

        assert cut(database_url) == 1


async def test_jobs_of_other_names_have_owners_of_their_own(database_url: str) -> None:
    async with candidates(database_url) as opens:
        one, other = await opens("one"), await opens("other")

        await until(lambda: one.owner.owns and other.owner.owns)


async def test_when_the_owner_stops_another_takes_over(database_url: str) -> None:
    async with candidates(database_url) as opens:
        first = await opens()
        await until(lambda: first.owner.owns)
        second = await opens()

        await first.owner.stop()

        await until(lambda: second.rounds == 1)
        assert (first.owner.owns, first.let_go) == (False, 1)


async def test_an_owner_whose_connection_is_cut_knows_and_another_takes_over(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with candidates(database_url) as opens:
        # It waits for an hour between rounds, and would not ask; nor does it come back.
        first = await opens(retry=LONG)
        await until(lambda: first.rounds == 1)
        second = await opens()

        assert cut(database_url) == 1

        await until(lambda: first.let_go == 1 and second.rounds == 1)
        assert (first.owner.owns, second.owner.owns) == (False, True)
        assert "lost its connection" in caplog.text


async def test_a_round_is_cancelled_when_the_connection_is_cut(database_url: str) -> None:
    async with candidates(database_url) as opens:
        one = await opens()
        one.gate.clear()
        await until(lambda: one.owner.owns)
        await nudge(one.database, "the job")
        await until(lambda: one.running == 1)

        cut(database_url)

        await until(lambda: one.let_go == 1)
        # It is free again, so the same one may have it back, for another round.
        await until(lambda: one.owner.owns)
        assert one.running <= 1
        one.gate.set()
        await until(lambda: one.running == 0)


async def test_stop_waits_for_the_round(database_url: str) -> None:
    async with candidates(database_url) as opens:
        one = await opens()
        one.gate.clear()
        await until(lambda: one.owner.owns)
        await nudge(one.database, "the job")
        await until(lambda: one.running == 1)
        stopping = asyncio.create_task(one.owner.stop())
        await asyncio.sleep(3 * SOON)
        assert not stopping.done()
        assert one.let_go == 0

        one.gate.set()
        await stopping

        assert (one.running, one.let_go, one.owner.owns) == (0, 1, False)


async def test_stop_does_not_wait_for_ever(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with candidates(database_url) as opens:
        one = await opens(patience=SOON)
        one.gate.clear()
        await until(lambda: one.owner.owns)
        await nudge(one.database, "the job")
        await until(lambda: one.running == 1)

        await one.owner.stop()

        assert (one.running, one.let_go, one.owner.owns) == (0, 1, False)
        assert "in the middle of a round" in caplog.text


async def test_a_round_that_fails_is_logged_and_tried_again(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    failures: list[Exception] = [
        ValueError("of this test"),
        StoreUnavailable(),
        OutcomeUnknown(),
        Busy(),
    ]
    done = asyncio.Event()

    async def work() -> float:
        if failures:
            raise failures.pop(0)
        done.set()
        return LONG

    database = Database(database_url, readers=1)
    await database.open()
    owner = SingleOwner(database, JobBoard(database), "failing", work, retry=SOON, pause=SOON)
    with no_task_left(), caplog.at_level(logging.INFO):
        await owner.start()
        async with asyncio.timeout(PATIENCE):
            await done.wait()
        assert owner.owns
        await owner.stop()
        await database.close()

    assert "ValueError: of this test" in caplog.text
    assert caplog.text.count("Traceback") == 1
    assert "waits for the database" in caplog.text


async def test_damage_is_told_once_until_it_is_mended(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    damage = [LogDamaged("1 position is missing")] * 3
    done = asyncio.Event()

    async def work() -> float:
        if damage:
            raise damage.pop()
        done.set()
        return LONG

    database = Database(database_url, readers=1)
    await database.open()
    owner = SingleOwner(database, JobBoard(database), "damaged", work, retry=SOON, rest=SOON)
    with caplog.at_level(logging.INFO):
        await owner.start()
        async with asyncio.timeout(PATIENCE):
            await done.wait()
        await owner.stop()
        await database.close()

    assert caplog.text.count("cannot go on: 1 position is missing") == 1
    assert "Traceback" not in caplog.text


async def test_a_nudge_from_any_process_brings_the_next_round_at_once(database_url: str) -> None:
    async with candidates(database_url) as opens:
        owner = await opens()
        await until(lambda: owner.rounds == 1)
        other = await opens()

        await nudge(other.database, "another job")
        await nudge(other.database, "the job")
        await until(lambda: owner.rounds == 2)


async def test_a_nudge_during_a_round_is_not_lost(database_url: str) -> None:
    async with candidates(database_url) as opens:
        owner = await opens()
        await until(lambda: owner.rounds == 1)
        owner.gate.clear()
        await nudge(owner.database, "the job")
        await until(lambda: owner.running == 1)
        await nudge(owner.database, "the job")
        await asyncio.sleep(3 * SOON)
        assert owner.rounds == 2

        owner.gate.set()

        await until(lambda: owner.rounds == 3)


async def test_the_next_round_comes_when_it_is_woken_or_when_its_time_has_come(
    database_url: str,
) -> None:
    signal, asked = asyncio.Event(), list[float]()

    async def wake(seconds: float) -> None:
        asked.append(seconds)
        await signal.wait()
        signal.clear()

    async with candidates(database_url) as opens:
        one = await opens(wake=wake)
        await until(lambda: one.rounds == 1)
        await until(lambda: asked == [LONG])
        signal.set()
        await until(lambda: one.rounds == 2)


async def test_what_wakes_may_fail_too(database_url: str, caplog: pytest.LogCaptureFixture) -> None:
    async def wake(_: float) -> None:
        raise ValueError("no signal")

    async with candidates(database_url) as opens:
        one = await opens(wake=wake)

        await until(lambda: one.let_go >= 2)
        assert "no signal" in caplog.text
        # It is taken anew each time, after a pause: nothing spins.
        assert one.rounds <= one.let_go + 1


async def test_the_job_waits_for_a_database_that_is_away(
    database_url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = database_url.replace("host=", "host=%2Fnowhere")
    assert away != database_url
    database = Database(away, readers=1, patience=0.05)
    await database.open()
    rounds = list[int]()

    async def work() -> float:
        rounds.append(1)
        return LONG

    owner = SingleOwner(database, JobBoard(database), "away", work, retry=SOON)
    tried = 0
    fetch = database.fetch

    async def counted(*values: Any) -> list[tuple[Any, ...]]:
        nonlocal tried
        tried += 1
        return await fetch(*values)

    monkeypatch.setattr(database, "fetch", counted)
    with caplog.at_level(logging.INFO, "cairn.jobs"):
        await owner.start()
        await until(lambda: tried >= 3)
    await owner.stop()
    await database.close()
    assert (rounds, owner.owns) == ([], False)
    # Not for each try.
    assert caplog.text.count("waits for the database") == 1


async def test_an_owner_whose_connection_takes_no_writes_any_more_takes_a_new_one(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A connection that was opened while a database was read-only may stay so for ever."""
    async with (
        candidates(database_url) as opens,
        await AsyncConnection.connect(database_url, autocommit=True) as admin,
    ):
        name = sql.Identifier(admin.info.dbname)
        change = sql.SQL("alter database {} set default_transaction_read_only = {}")
        await admin.execute(change.format(name, sql.Literal("on")))
        one = await opens(silence=0.5)
        await until(lambda: one.rounds == 1)
        await admin.execute("set default_transaction_read_only = off")
        await admin.execute(change.format(name, sql.Literal("off")))

        await until(lambda: one.rounds == 2)

        age = "select clock_timestamp() - beat_at < interval '5 s' from job_owners"
        await until_true(admin, age)
    assert "Traceback" not in caplog.text


async def test_an_owner_that_stands_still_loses_the_job(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with candidates(database_url) as opens:
        # It says so rarely that it moves that the other one takes it for frozen.
        frozen = await opens(silence=LONG, retry=LONG)
        await until(lambda: frozen.rounds == 1)

        other = await opens(silence=0.2)

        await until(lambda: other.owner.owns)
        await until(lambda: frozen.let_go == 1)
        assert frozen.owner.owns is False
        assert "stood still and has lost it" in caplog.text


async def test_an_owner_gives_signs_of_life_during_a_long_round(database_url: str) -> None:
    async with candidates(database_url) as opens:
        owner = await opens(silence=0.1)
        owner.gate.clear()
        await nudge(owner.database, "the job")
        await until(lambda: owner.running == 1)
        signs = set[Any]()

        def has_given_signs() -> bool:
            with psycopg.connect(database_url, autocommit=True) as connection:
                signs.update(connection.execute("select beat_at from job_owners").fetchall())
            return len(signs) >= 3

        await until(has_given_signs)

        assert (owner.owner.owns, owner.running) == (True, 1)
        owner.gate.set()


async def test_jobs_are_spread_over_the_processes_that_come_and_go(database_url: str) -> None:
    async with AsyncExitStack() as stack:
        stack.enter_context(no_task_left())
        processes: list[tuple[JobBoard, list[SingleOwner]]] = []

        async def work() -> float:
            return LONG

        async def begin() -> AsyncExitStack:
            own = await stack.enter_async_context(AsyncExitStack())
            database = Database(database_url, readers=2, patience=5.0)
            await database.open()
            own.push_async_callback(database.close)
            board = JobBoard(database, every=SOON, silence=PATIENCE)
            owners = [
                SingleOwner(database, board, f"job {number}", work, retry=SOON, pause=SOON)
                for number in range(4)
            ]
            await board.start()
            for owner in owners:
                await owner.start()
                own.push_async_callback(owner.stop)
            own.push_async_callback(board.stop)
            processes.append((board, owners))
            return own

        def owned() -> list[int]:
            return [sum(owner.owns for owner in owners) for _, owners in processes]

        await begin()
        await until(lambda: owned() == [4])
        second = await begin()
        await until(lambda: owned() == [2, 2])
        await begin()
        await until(lambda: sum(owned()) == 4 and max(owned()) == 2)
        await second.aclose()
        await until(lambda: owned() == [2, 0, 2])


def test_a_job_that_nobody_runs_for_long_is_a_trouble_and_taken_by_anybody(
    database_url: str,
) -> None:
    now = 0.0
    board = JobBoard(Database(database_url), patience=10.0, clock=lambda: now)
    for job in ("one", "two"):
        board.join(job, lambda: None)
    board.took("one")
    board.note(2, {"one": 0.5, "two": 9.0})
    assert (board.may_take("two"), board.troubles()) == (False, ())

    board.note(2, {"one": 0.5, "two": 11.0})
    assert board.may_take("two")

    now = 29.0
    board.note(2, {"one": 0.5, "two": 3_600.0})
    assert board.troubles() == (), "this process has not watched for as long"

    now = 31.0
    board.note(2, {"one": 0.5, "two": 31.0})
    (trouble,) = board.troubles()
    assert trouble.reason == "job_unowned"
    assert "two for 31 s" in trouble.sentence
    assert REGISTRY.get_sample_value("cairn_job_unowned_seconds", {"job": "two"}) == 31.0

    board.note(2, {"one": 0.5, "two": 0.5})
    assert board.troubles() == ()
    assert REGISTRY.get_sample_value("cairn_job_unowned_seconds", {"job": "two"}) == 0.0
