"""Recovery in memory: what is said of a session that was left behind, and what may go wrong."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from api.composition.over_store import handler_over, repository_over
from application.commands.request import Outcome, Request
from application.errors import StoreUnavailable
from application.fan_out import FanOut
from application.use_cases.recovery import Recovery, patience
from domain.session.commands import (
    Command,
    CreateSession,
    RecoverSession,
    StartTurn,
    StopSession,
)
from infrastructure.memory.session.recovery import MemoryDriverWatch
from infrastructure.memory.store import MemoryStore
from infrastructure.memory.tables import Tables
from tests.support.builders import NOON, OWNER, created
from tests.support.given import given
from tests.support.in_memory_app import FixedClock, timedelta
from tests.support.stand_ins import StandIn

START = StartTurn(turn_id="t1", message_id="m1", parts=({"type": "text", "text": "Go"},))
GRACE, UNATTENDED = 60, 900


class CutOff(StandIn):
    """A handler whose database goes away, before an append or right after it."""

    lost = ""

    async def handle(self, request: Request) -> Outcome:
        if self.lost == "before":
            raise StoreUnavailable("the database does not answer")
        outcome: Outcome = await self.before.handle(request)
        if self.lost == "after":
            raise StoreUnavailable("the database does not answer")
        return outcome


class Left:
    """A session that somebody has a lease of a minute on."""

    def __init__(self) -> None:
        self.clock, tables = FixedClock(), Tables()
        self.store = MemoryStore(clock=self.clock, tables=tables)
        repository = repository_over(self.store)
        self.repository = repository
        self.handler = handler_over(self.store, repository, FanOut())
        self.cut_off = CutOff(self.handler)
        watch = MemoryDriverWatch(tables, self.clock)
        self.recovery = Recovery(watch, repository, self.handler, patience(GRACE, UNATTENDED))
        self.id: UUID = uuid4()

    async def begin(self, *commands: Command, leased: bool = True, **fields: Any) -> None:
        for command in (CreateSession(owner=OWNER, **fields), *commands):
            await self.handler.handle(Request(self.id, command, actor="user:ada"))
        if leased:
            await self.store.leases.acquire(self.id, uuid4(), "cli:1", timedelta(seconds=60))

    async def touch(self) -> None:
        await self.store.presence.touch(self.id, "cli:1", "healthy", None)

    async def detail(self) -> str | None:
        finding = await self.recovery.plan_for(self.id)
        return None if finding is None else finding.document()["stop_detail"]


@pytest.fixture
def left() -> Left:
    return Left()


async def test_it_is_left_behind_from_the_very_moment_its_grace_is_over(left: Left) -> None:
    await left.begin(START)
    left.clock.pass_time(seconds=60 + GRACE - 0.001)
    assert await left.detail() is None
    left.clock.pass_time(seconds=0.001)
    assert await left.detail() == "crashed_active"


async def test_an_idle_session_is_never_stopped_by_recovery() -> None:
    given([created()]).when(RecoverSession(at=NOON)).then_nothing()


async def test_one_that_was_to_stop_says_that_it_never_did(left: Left) -> None:
    await left.begin(START, StopSession(when_idle=True))
    left.clock.pass_time(seconds=60 + GRACE)
    assert await left.detail() == "stop_incomplete"


async def test_the_first_cause_of_a_stop_that_was_left_behind_stands(left: Left) -> None:
    await left.begin(START, StopSession(cause="hook_denied", when_idle=True))
    left.clock.pass_time(seconds=60 + GRACE)
    await left.recovery.recover()
    now = (await left.repository.load(left.id)).session.lifecycle
    assert (now.phase, now.stop_cause) == ("stopped", "hook_denied")
    assert (now.stop_reason, now.stop_detail) == ("agent_crashed", "stop_incomplete")


async def test_one_that_never_came_up_has_its_own_time(left: Left) -> None:
    await left.begin(leased=False, starting=True)
    before = await left.detail()
    left.clock.pass_time(days=3650)
    assert (before, await left.detail()) == (None, "start_incomplete")


@pytest.mark.parametrize(
    ("silent", "detail"), [(119, "orphaned_process"), (120, "stalled_process")]
)
async def test_a_process_that_outlived_its_lease_is_told_by_when_it_was_last_heard(
    left: Left, silent: int, detail: str
) -> None:
    left.clock.pass_time(days=3650)
    await left.begin(START)
    turn = (await left.store.log.read(left.id, limit=9))[-1]
    began = left.store.codec.decode(turn).at
    left.clock.at = began + timedelta(seconds=silent)
    await left.touch()
    assert await left.detail() is None
    left.clock.pass_time(seconds=120)
    assert await left.detail() == detail


@pytest.mark.parametrize("lost", ["before", "after"])
async def test_a_database_that_goes_away_in_the_middle_leaves_nothing_half_done(
    left: Left, lost: str
) -> None:
    await left.begin(START)
    left.clock.pass_time(seconds=60 + GRACE)
    left.cut_off.lost = lost
    (finding,) = (await left.recovery.recover()).findings
    said = finding.document()
    assert not said["persisted"]
    assert said["stop_detail"] == (
        "crashed_active (classification not persisted: the database does not answer)"
    )
    left.cut_off.lost = ""
    again = (await left.recovery.recover()).findings
    assert [one.document()["persisted"] for one in again] == ([True] if lost == "before" else [])
    types = [one.type for one in await left.store.log.read(left.id, limit=99)]
    assert types.count("session.stopped") == types.count("turn.failed") == 1


async def test_one_that_is_driven_again_in_the_meantime_is_left_alone(left: Left) -> None:
    await left.begin(START)
    left.clock.pass_time(seconds=60 + GRACE)
    assert await left.detail() == "crashed_active"
    await left.touch()
    assert (await left.recovery.recover()).findings == []
    assert await left.detail() is None
