"""The database fails over to a synchronous standby under load, or goes silent, and comes back."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from infrastructure.postgres.connecting.migrations import migrate
from tests.faults.__main__ import summary
from tests.faults.checks import judge
from tests.faults.history import Attempt, Fault, History, Seen, Start
from tests.faults.load.mixed import Mix, MixedLoad
from tests.faults.load.recorder import Recorder
from tests.faults.making.clusters import Cluster, is_synchronous, primary_and_standby
from tests.faults.making.server import MEMORY_MB, PATIENCE, Server, until
from tests.faults.making.world import open_world

Measured = Callable[[str, object], None]
SEED = 7


@pytest.fixture
def measured(record_property: Callable[[str, object], None]) -> Measured:
    def note(name: str, value: object) -> None:
        record_property(name, value)
        print(f"{name}: {value}")

    return note


def recorder() -> Recorder:
    recorder = Recorder()
    budget = MEMORY_MB * 1024**2
    recorder.add(Start(seed=SEED, wall=recorder.wall, patience=PATIENCE, budget=budget))
    return recorder


def held(history: History) -> None:
    violations = judge(history)
    print(summary(history, violations))
    assert [str(one) for one in violations] == []


def acknowledged_after(history: History, moment: float) -> float:
    """Return when the first command was accepted that was sent after a moment."""
    return min(
        one.returned for one in history.of(Attempt) if one.is_accepted and one.called >= moment
    )


@asynccontextmanager
async def served(primary: Cluster, standby: Cluster) -> AsyncIterator[Server]:
    await asyncio.to_thread(migrate, primary.url("cairn", "cairn"))
    hosts = f"127.0.0.1:{primary.port},127.0.0.1:{standby.port}"
    url = f"postgresql://cairn@{hosts}/cairn?target_session_attrs=read-write"
    with tempfile.TemporaryDirectory(prefix="failover-") as directory:
        server = Server(url, Path(directory))
        try:
            server.start()
            await server.serves()
            yield server
        finally:
            await asyncio.to_thread(server.close)


@pytest.mark.hunt
@pytest.mark.timeout(600)
async def test_a_failover_to_a_synchronous_standby_loses_nothing_and_clients_resume(
    measured: Measured,
) -> None:
    with primary_and_standby() as (primary, standby):
        async with served(primary, standby) as server:
            await until(lambda: is_synchronous(primary), "the standby follows", 60)
            notes = recorder()
            load = MixedLoad(Mix(seed=SEED, followers=8, spread=2), notes, server)
            where = standby.url("cairn", "cairn")
            async with load.running(where):
                await load.until_accepted(200, "commands are accepted before it")
                began = notes.now()
                await asyncio.to_thread(primary.kill)
                killed = notes.now()
                await standby.promote()
                promoted = notes.now()
                await load.until_accepted(200, "commands are accepted after it")
                notes.add(Fault(number=1, kind="failover", began=began, ended=promoted))
            await load.finish(where)

    first = acknowledged_after(notes.history, killed)
    measured("promoted after, s", round(promoted - killed, 2))
    measured("acknowledged again after the promotion, s", round(first - promoted, 2))
    held(notes.history)
    assert first - promoted < 5
    # Readers that were there before have gone on by themselves.
    before = {one.reader for one in notes.history.of(Seen) if one.at < began}
    after = {one.reader for one in notes.history.of(Seen) if one.at > first}
    assert {"feed 1", "feed 2"} <= before & after


@pytest.mark.hunt
@pytest.mark.timeout(600)
async def test_connections_that_go_silent_for_90_seconds_are_left_for_others(
    measured: Measured,
) -> None:
    """New connections are as good as ever: as after a failover, or a NAT that has forgotten."""
    async with open_world(2) as world:
        notes = recorder()
        load = MixedLoad(Mix(seed=SEED, followers=8, spread=2), notes, world.server)
        async with load.running(world.cluster.url):
            await load.until_accepted(200, "commands are accepted before it")
            frozen = notes.now()
            thaw = world.database.freeze("those there are")
            await load.until_accepted(100, "commands are accepted meanwhile")
            await asyncio.sleep(max(frozen + 90 - notes.now(), 0))
            thaw()
            notes.add(Fault(number=1, kind="freeze database", began=frozen, ended=notes.now()))
            await load.until_accepted(100, "commands are accepted after it")
        await load.finish(world.cluster.url)

    first = acknowledged_after(notes.history, frozen)
    measured("acknowledged again after the freeze, s", round(first - frozen, 2))
    held(notes.history)
    assert first - frozen < PATIENCE + 2
