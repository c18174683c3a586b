"""Ended at any point, an erasure is completed by whoever comes next; races have one outcome."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from api.composition.over_store import (
    erasing_over,
    handler_over,
    queries_over,
    repository_over,
    scope_handler_over,
    transcripts_over,
)
from api.composition.use_cases import forks_over
from api.composition.verifying import verification_of
from application.commands.request import Caller
from application.errors import StaleSequence
from application.fan_out import FanOut
from application.ports.session.retention import RetentionPolicy
from application.projections.shared_state import scope_id
from application.retention.stored_sessions import StoredSessions
from domain.errors import Erased
from domain.session.commands import AddMessage, CreateSession
from domain.values import Owner
from infrastructure.postgres.log.erasures import PostgresErasures
from infrastructure.postgres.store import PostgresStore, open_store
from tests.support.builders import added, created, text
from tests.support.transfers import Populated

ADA, FORK, CHILD = UUID(int=7), UUID(int=8), UUID(int=9)
OFFICER = Caller("user:officer", "http")
_STEPS = ("keys_in_force", "erase_events", "finish", "forks_of")


class Ended(BaseException):
    """The process is no more."""


class Interrupted(PostgresErasures):
    """Ends the process before a step, or right after it."""

    def __init__(self, store: PostgresStore, ends_at: int, *, after: bool) -> None:
        super().__init__(store.database)
        self.left, self.after = ends_at, after

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name not in _STEPS:
            return found

        async def step(*arguments: Any) -> Any:
            self.left -= 1
            if self.left == 0 and not self.after:
                raise Ended
            done = await found(*arguments)
            if self.left == 0:
                raise Ended
            return done

        return step


class Desk:
    """The use cases over a store, as a process that has just begun has them."""

    def __init__(self, store: PostgresStore, erasures: PostgresErasures | None = None) -> None:
        self.store = store
        fan_out, self.repository = FanOut(), repository_over(store)
        self.handler = handler_over(store, self.repository, fan_out)
        transcripts = transcripts_over(store)
        self.erasing = erasing_over(
            store,
            erasures or PostgresErasures(store.database),
            self.repository,
            self.handler,
            scope_handler_over(store, fan_out),
            transcripts,
        )
        queries = queries_over(store, self.repository, transcripts)
        self.forks = forks_over(store, self.repository, self.handler, queries)

    async def erase(self, session_id: UUID = ADA) -> None:
        plan = await self.erasing.plans.of_session(session_id, children=False)
        async for _ in self.erasing.carry_out(OFFICER, plan, "request 17", session_id):
            pass

    async def findings(self) -> list[Any]:
        verification = verification_of(
            self.store, self.store.database, repository_over(self.store), ()
        )
        return [one async for verdict in verification.all() for one in verdict.findings]


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[PostgresStore]:
    async with open_store(database_url, fan_out=FanOut()) as store:
        yield store


async def furnished(store: PostgresStore) -> None:
    filled = Populated(store)
    await filled.add(ADA, created(title="Ada's", state={"user:k": 1, "own": 2}))
    await filled.add(ADA, *(added(f"m{number}") for number in range(600)))
    desk = Desk(store)
    wanted = CreateSession(owner=Owner(app="console", user="ada"))
    await desk.forks.fork(OFFICER, ADA, wanted, fork_id=FORK)


async def is_gone(store: PostgresStore, url: str) -> None:
    """See that all of it is erased, the rest is as it was, and every proof holds."""
    with psycopg.connect(url, autocommit=True) as owner:
        row = owner.execute(
            """select count(*) filter (where erased_hash is null),
                 (select count(*) from snapshots), (select count(*) from erasures),
                 (select count(*) from shared_state_history where session_id = any(%(gone)s))
            from events where originator_id = any(%(gone)s)""",
            {"gone": [ADA, FORK]},
        ).fetchone()
    assert row == (2, 0, 0, 0)
    values = (await store.shared_state.scope(scope_id("console", "ada"))).values
    assert values == {"user:k": b"1"}
    assert await Desk(store).findings() == []


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("ends_at", [1, 3, 5, 6, 7, 8, 9, 10, 12])
async def test_what_was_ended_half_way_is_completed(
    store: PostgresStore, database_url: str, ends_at: int, after: bool
) -> None:
    await furnished(store)
    try:
        await Desk(store, Interrupted(store, ends_at, after=after)).erase()
    except Ended:
        # By the job of the next process, or by whoever asks again.
        desk = Desk(store)
        assert await desk.findings() == []
        await desk.erasing.round()
        await desk.erase()
        await desk.erasing.round()
    await is_gone(store, database_url)


@pytest.mark.parametrize("goes_on", [FORK, ADA], ids=["its fork", "itself"])
async def test_what_goes_on_after_it_was_looked_at_is_not_erased(
    store: PostgresStore, goes_on: UUID
) -> None:
    await furnished(store)
    desk = Desk(store)
    plan = await desk.erasing.plans.of_session(ADA, children=False)
    heads = {one.session_id: one.events for one in plan.sessions}
    command = AddMessage(message_id="late", role="user", parts=text())
    await desk.handler.handle(OFFICER.asks(goes_on, command))

    with pytest.raises(StaleSequence):
        async for _ in desk.erasing.carry_out(OFFICER, plan, "policy", heads=heads):
            pass

    row = await store.session_rows.session(goes_on)
    assert row is not None
    assert row.status != "erased"


async def test_a_fork_that_began_after_it_was_planned_is_erased_with_its_origin(
    store: PostgresStore,
) -> None:
    await furnished(store)
    desk = Desk(store)
    plan = await desk.erasing.plans.of_session(ADA, children=False)
    wanted = CreateSession(owner=Owner(app="console", user="ada"))
    await desk.forks.fork(OFFICER, ADA, wanted, fork_id=CHILD)

    async for _ in desk.erasing.carry_out(OFFICER, plan, "request 17", ADA):
        pass

    row = await store.session_rows.session(CHILD)
    assert row is not None
    assert row.status == "erased"


class Silent:
    """Signs nothing, and records nothing."""

    async def sign(self) -> None: ...

    async def record(self, *_: object) -> None: ...


@pytest.mark.parametrize("first", [ADA, FORK], ids=["origin", "fork"])
async def test_an_old_fork_and_its_old_origin_are_both_erased_whichever_is_first(
    store: PostgresStore, database_url: str, first: UUID
) -> None:
    await furnished(store)
    beside: Any = Silent()
    sessions = StoredSessions(store.session_rows, Desk(store).erasing, beside, beside)
    policy = RetentionPolicy("old", {"app": "console"}, timedelta(0), "erase", None)
    found = [one async for one in sessions.of(policy, datetime(2999, 1, 1, tzinfo=UTC))]
    assert {one.session_id for one in found} == {ADA, FORK}

    for one in sorted(found, key=lambda one: one.session_id != first):
        await sessions.erase(one, "old")

    await is_gone(store, database_url)


async def test_appends_that_race_with_an_erasure_are_erased_with_it_or_refused(
    store: PostgresStore, database_url: str
) -> None:
    await furnished(store)
    # Two processes, neither of which knows what the other one has just written.
    one, other = Desk(store), Desk(store)
    await other.repository.refresh(ADA)

    async def say(number: int) -> bool:
        command = AddMessage(message_id=f"late-{number}", role="user", parts=text())
        try:
            await other.handler.handle(OFFICER.asks(ADA, command))
        except Erased:
            return False
        return True

    said, *_ = await asyncio.gather(asyncio.gather(*map(say, range(40))), one.erase())
    assert await say(99) is False
    assert said.count(False) + said.count(True) == 40
    await one.erasing.round()
    await is_gone(store, database_url)


async def test_a_fork_that_races_with_an_erasure_is_erased_or_refused(
    store: PostgresStore,
) -> None:
    await furnished(store)
    one, other = Desk(store), Desk(store)
    wanted = CreateSession(owner=Owner(app="console", user="ada"))
    command, inherits = await other.forks.forked(ADA, None, wanted)
    # Decided before, and written after the session has said that it is erased.
    await one.erase()
    request = OFFICER.asks(CHILD, command)._replace(inherits=inherits)
    with pytest.raises(Erased, match="fork"):
        await other.handler.handle(request)
    assert await store.session_rows.session(CHILD) is None

    async def fork(number: int) -> str:
        try:
            await other.forks.fork(OFFICER, FORK, wanted, fork_id=UUID(int=100 + number))
        except Erased:
            return "refused"
        return "made"

    assert set(await asyncio.gather(*map(fork, range(3)))) == {"refused"}
    assert await one.findings() == []


async def test_two_that_erase_at_once_leave_one_word(
    store: PostgresStore, database_url: str
) -> None:
    await furnished(store)
    await asyncio.gather(Desk(store).erase(), Desk(store).erase(), Desk(store).erasing.round())
    await Desk(store).erasing.round()
    newest = await store.log.read_newest(ADA, last=2)
    assert [event.type for event in newest] == ["message.added", "session.erased"]
    await is_gone(store, database_url)
