"""Erased logs go out and in again, to the byte, and do not come back through a fork."""

import asyncio
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest

from application.fan_out import FanOut
from application.ports.log.erasures import Erasures
from application.projections.shared_state import scope_id
from domain.scope.events import ScopeErased, ScopeOpened
from domain.session.events import SessionErased, StatePatched
from domain.values import Origin
from infrastructure.memory.log.census import MemoryCensus
from infrastructure.memory.log.erasures import MemoryErasures
from infrastructure.memory.store import MemoryStore
from infrastructure.memory.tables import Tables
from infrastructure.postgres.log.census import PostgresCensus
from infrastructure.postgres.log.erasures import PostgresErasures
from infrastructure.postgres.store import open_store
from tests.support.builders import NOON, added, created
from tests.support.docs import ROOT
from tests.support.postgres import Server
from tests.support.transfers import Place, Populated, memory_place, same_but_for_positions

ADA, FORK, SCOPE = UUID(int=7), UUID(int=8), scope_id("console", "ada")
GONE = SessionErased(reason="request 17", app="console", began_at=NOON)


async def erase(erasures: Erasures) -> None:
    """Carry out all that is pending, in small steps."""
    for one in await erasures.pending(100):
        while (await erasures.erase_events(one.log_id, 3))[1]:
            pass
        await erasures.finish(one.log_id)


async def furnished(place: Place) -> Populated:
    filled = Populated(place.store)
    await filled.add(ADA, created(title="Ada's", state={"own": 1, "user:k": 2}))
    await filled.add(ADA, *(added(f"m{number}") for number in range(1100)))
    await filled.add(SCOPE, ScopeOpened(app="console", user="ada"))
    await filled.add(SCOPE, StatePatched(set={"user:k": 3}))
    return filled


async def test_erased_logs_come_back_to_the_byte(postgres_server: Server, tmp_path: Path) -> None:
    with postgres_server.database() as here, postgres_server.database() as there:
        async with (
            open_store(here, fan_out=FanOut()) as one,
            open_store(there, fan_out=FanOut()) as two,
        ):
            origin = Place(one, PostgresCensus(one.database))
            copy = Place(two, PostgresCensus(two.database))
            filled = await furnished(origin)
            await filled.add(ADA, GONE)
            await filled.add(SCOPE, ScopeErased(app="console", reason="request 17"))
            await erase(PostgresErasures(one.database))
            # Opened anew, by a person who came back.
            await filled.add(SCOPE, ScopeOpened(app="console", user="ada"))
            await filled.add(SCOPE, StatePatched(set={"user:k": 4}))
            bundle = await origin.export()
            assert bundle.count(b'"erased":true') == 1103
            (tmp_path / "bundle.tar").write_bytes(bundle)
            check = [sys.executable, ROOT / "docs/verify_bundle.py", tmp_path / "bundle.tar"]
            said = await asyncio.to_thread(subprocess.check_output, check)
            assert said == b"HOLDS: 2 logs, 1107 events\n"
            await copy.take_in(bundle)
            await erase(PostgresErasures(two.database))
            assert same_but_for_positions(await copy.export()) == same_but_for_positions(bundle)
            for place in (origin, copy):
                row = await place.store.session_rows.session(ADA)
                assert row is not None
                assert (row.status, row.app, row.user, row.created_at) == (
                    "erased", "console", "", NOON,
                )  # fmt: skip
                values = (await place.store.shared_state.scope(SCOPE)).values
                assert values == {"user:k": b"4"}
            plan = await copy.take_in(bundle)
            assert all(log.is_there for log in plan.logs.values())


@pytest.mark.parametrize("is_there", [False, True])
async def test_a_fork_of_what_is_erased_here_is_refused_but_where_it_is(is_there: bool) -> None:
    origin, (copy, erasures) = memory_place(), erasable()
    filled = await furnished(origin)
    sequence, digest, *_ = filled.ends[ADA]
    where = Origin(session_id=ADA, sequence=sequence, digest=digest.hex())
    before = await origin.export()
    await filled.add(FORK, created(forked_from=where))
    fork = await origin.export_session(FORK)
    await copy.take_in(before)
    if is_there:
        await copy.take_in(fork)
    # The same log, and one more event in it.
    other = Populated(copy.store, {ADA: filled.ends[ADA]})
    await other.add(ADA, GONE)
    await erase(erasures)
    plan = await copy.plan(fork)
    assert [one.code for one in plan.conflicts] == ([] if is_there else ["erased_origin"])


async def test_an_erasure_without_a_word_is_refused() -> None:
    place, erasures = erasable()
    filled = await furnished(place)
    await filled.add(ADA, GONE)
    await erase(erasures)
    file = await place.export_session(ADA)
    cut = b"".join(file.splitlines(keepends=True)[:-1]).replace(
        b'"events":1102,"head":1102', b'"events":1101,"head":1101'
    )
    plan = await memory_place().plan(cut)
    (conflict,) = plan.conflicts
    assert "erasure_unexplained" in conflict.detail or "event_head_mismatch" in conflict.detail


def erasable() -> tuple[Place, MemoryErasures]:
    tables = Tables()
    return Place(MemoryStore(tables=tables), MemoryCensus(tables)), MemoryErasures(tables)
