"""A rebuild that is killed goes on where it was, and misses nothing that came meanwhile."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress

import pytest

from api.composition.database import open_read_models
from application.projections.read_models import Rebuilding, Rebuilt
from domain.timers import Timers
from tests.rebuild.test_rebuild import differences, execute, live, rebuild, rows
from tests.support.api import HELLO, Api, SessionApi, done
from tests.support.server import running

LONGEST = 30
EVENTS_IN_A_PAGE = 7


class Killed(BaseException):
    """As good as a kill: nothing is cleared up but the connection."""


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each log is put in as soon as it is read, and a long one is read in many pages."""
    monkeypatch.setattr("application.projections.read_models._PUT_AT", 1)
    monkeypatch.setattr("infrastructure.postgres.log.read_models._EVENTS", EVENTS_IN_A_PAGE)


@pytest.fixture
def api(database_url: str) -> Iterator[Api]:
    with running(database_url, auth_token_file=None) as base:
        api = Api(base)
        yield api
        api.close()


def some_sessions(api: Api) -> list[SessionApi]:
    """Return sessions of different lengths: one that was only created, and one of many pages."""
    sessions = [api.create(title=f"Session {number}") for number in range(12)]
    for session in sessions[1:]:
        session.say("a")
        session.patch("/state", {"set": {"app:n": session.id, "own": 1}})
    sessions[5].start()
    events = [{"type": "agent.message", "data": {"parts": HELLO}}] * (LONGEST - 4)
    done(sessions[5].post("/turns/t1/events", {"events": events}))
    return sessions


def steps(url: str, *, most: int | None = None) -> list[Rebuilding | Rebuilt]:
    """Return what a rebuild tells, until it is killed behind so many steps."""
    told: list[Rebuilding | Rebuilt] = []

    async def run() -> None:
        async with open_read_models(url, Timers()) as read_models:
            async for step in read_models.run():
                told.append(step)
                if len(told) == most:
                    raise Killed

    with suppress(Killed):
        asyncio.run(run())
    return told


def kept(url: str) -> int:
    """Return how many events a rebuild that was killed need not read again."""
    ((events,),) = rows(url, "select events from rebuild_progress")
    return int(events)


def built(told: list[Rebuilding | Rebuilt]) -> int:
    """Return the number of the step in which the last log was put in: a look at what is new, and
    what it came to, follow."""
    return len(told) - 2


def test_killed_after_any_step_it_reads_no_log_twice_and_leaves_none_out(
    api: Api, database_url: str
) -> None:
    some_sessions(api)
    before = live(database_url)
    whole = steps(database_url)
    events = whole[-1].events
    assert built(whole) >= 6

    for most in range(1, len(whole)):
        killed = steps(database_url, most=most)
        assert killed == whole[:most]
        done_with = kept(database_url)
        # Only the log that it was in the middle of is begun again.
        assert 0 <= killed[-1].events - done_with < LONGEST + EVENTS_IN_A_PAGE
        if most >= built(whole):
            assert done_with == events
        resumed = steps(database_url)
        assert done_with <= resumed[0].events <= done_with + LONGEST + EVENTS_IN_A_PAGE
        assert resumed[-1] == whole[-1]
    assert live(database_url) == before


def test_what_was_appended_between_a_kill_and_the_next_run_is_in(
    api: Api, database_url: str
) -> None:
    sessions = some_sessions(api)
    steps(database_url, most=built(steps(database_url)))
    for session in sessions:
        session.say("b")
        session.patch("/state", {"set": {"app:n": f"then {session.id}", "user:name": session.id}})
    before = live(database_url)
    execute(database_url, "update sessions set title = 'Wrong'")
    # Killed once more when it has looked at what is new.
    assert len(steps(database_url, most=1)) == 1

    (*_, rebuilt) = steps(database_url)

    assert isinstance(rebuilt, Rebuilt)
    assert {one.detail for one in rebuilt.differences} == {"the row has another title"}
    assert rebuilt.changed == len(sessions)
    assert live(database_url) == before


def test_what_was_damaged_between_a_kill_and_the_next_run_is_mended(
    api: Api, database_url: str
) -> None:
    some_sessions(api)
    before = live(database_url)
    steps(database_url, most=built(steps(database_url)))
    execute(database_url, "update sessions set title = 'Wrong' where title = 'Session 0'")

    (*_, rebuilt) = steps(database_url)

    assert isinstance(rebuilt, Rebuilt)
    assert [one.detail for one in rebuilt.differences] == ["the row has another title"]
    assert live(database_url) == before


def test_logs_that_grow_while_they_are_read_are_mended_all_the_same(
    api: Api, database_url: str
) -> None:
    sessions = some_sessions(api)
    count = 0

    def write() -> None:
        nonlocal count
        count += 1
        if count > 12:
            return
        for session in sessions[:3]:
            session.say(f"then {count}")
        sessions[2].patch("/state", {"set": {"app:n": count}})
        # Whose first event came before the last look, and whose second one after it.
        sessions[0] = api.create(title=f"New {count}")
        execute(database_url, "update sessions set title = 'Wrong'")

    rebuilt = rebuild(database_url, between=write)

    assert count > 3
    assert {one.read_model for one in rebuilt.differences} == {"sessions"}
    assert rows(database_url, "select count(*) from sessions where title = 'Wrong'") == [(0,)]
    assert differences(database_url) == []
