"""How sessions are: by their rows, their leases and their signs of life, when somebody looks."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from application.errors import IdempotencyKeyReused, StaleSequence, StoreUnavailable
from application.ports.session.leases import Process
from application.ports.session.listing import After, ListedSession, SessionFilter, SessionOrder
from application.ports.session.shared_state import ScopeOwner
from application.reads.health import Checkup, CheckupPage, Checkups
from domain.errors import Invalid, SessionIsDeleted, SessionIsStopped, SessionNotFound
from domain.session.commands import (
    ActivateSession,
    CompleteTurn,
    DeleteSession,
    ExpireDue,
    ResumeSession,
    StartTurn,
    StopSession,
)
from domain.timers import Timers
from domain.values import Failure
from tests.support.appends import Chain
from tests.support.builders import SESSION_ID, text
from tests.support.in_memory_app import START, InMemoryApp, asked
from tests.support.stand_ins import StandIn

MINUTE = timedelta(minutes=1)
TURN = StartTurn(turn_id="t1", message_id="m1", parts=text())


@pytest.fixture
async def office() -> InMemoryApp:
    office = InMemoryApp()
    await office.create()
    return office


async def report(
    office: InMemoryApp, process: Process = "unknown", detail: str | None = None, **conditions: Any
) -> Any:
    return await office.presence.report(*asked(**conditions), "runner:1", process, detail)


def told(checkup: Checkup) -> tuple[str, ...]:
    health = checkup.health
    return health.state, health.health, health.ineligibility_reason, checkup.badge


# ── one session ──────────────────────────────────────────────────────────────────────────────


async def test_an_idle_session_that_somebody_vouches_for_can_be_woken(office: InMemoryApp) -> None:
    await report(office, "healthy")
    checkup = await office.checkup()

    assert told(checkup) == ("idle", "healthy", "", "idle")
    assert (checkup.health.attachable, checkup.health.eligible_for_wake) == (True, True)
    assert (checkup.lease, checkup.last_error) == (None, None)


async def test_an_idle_session_is_stale_two_minutes_after_its_last_sign(
    office: InMemoryApp,
) -> None:
    stale = ("idle", "stale", "session_health_stale", "hung")
    assert told(await office.checkup()) == stale

    await report(office)
    office.clock.pass_time(minutes=2)
    assert told(await office.checkup()) == ("idle", "healthy", "", "idle")
    office.clock.pass_time(microseconds=1)

    checkup = await office.checkup()
    assert told(checkup) == stale
    assert checkup.health.attachable
    await report(office)
    assert told(await office.checkup()) == ("idle", "healthy", "", "idle")


async def test_a_session_in_which_a_turn_runs_is_never_stale(office: InMemoryApp) -> None:
    await office.do(TURN)
    running = ("prompting", "healthy", "session_prompt_active", "running")
    assert told(await office.checkup()) == running
    office.clock.pass_time(days=1)
    assert told(await office.checkup()) == running


async def test_a_leased_session_is_not_woken(office: InMemoryApp) -> None:
    await report(office)
    await office.attachments.attach(*asked(), "cli:1", MINUTE)

    checkup = await office.checkup()
    assert told(checkup) == ("idle", "healthy", "session_not_attachable", "idle")
    assert not checkup.health.attachable
    assert checkup.lease is not None
    assert checkup.lease.holder == "cli:1"
    office.clock.pass_time(minutes=1)
    assert (await office.checkup()).health.attachable


async def test_a_turn_that_is_silent_for_too_long_hangs(office: InMemoryApp) -> None:
    await office.do(TURN)
    office.clock.pass_time(minutes=15)
    timers = Timers(warning=60.0, silence=None)
    await office.do(ExpireDue(at=office.clock.now(), timers=timers))

    checkup = await office.checkup()
    assert told(checkup) == ("prompting", "degraded", "session_health_hung", "hung")
    assert not checkup.health.attachable
    await office.do(CompleteTurn(turn_id="t1"))
    await report(office)
    assert told(await office.checkup()) == ("idle", "healthy", "", "idle")


async def test_a_stopped_session_is_dead_and_says_why(office: InMemoryApp) -> None:
    await office.do(StopSession())
    assert told(await office.checkup()) == ("stopped", "dead", "session_health_dead", "stopped")
    assert (await office.checkup()).last_error is None

    await office.do(ResumeSession())
    failure = Failure(kind="process_exit", summary="exit status 139")
    await office.do(StopSession(cause="process_exited", failure=failure))
    checkup = await office.checkup()
    assert told(checkup) == ("stopped", "dead", "session_health_dead", "failed")
    assert checkup.last_error == "exit status 139"


async def test_a_session_that_starts_is_known_by_nobody() -> None:
    office = InMemoryApp()
    await office.create(starting=True)
    checkup = await office.checkup()

    assert told(checkup) == ("detached", "unknown", "session_health_unknown", "running")
    assert not checkup.health.attachable


# ── signs of life ────────────────────────────────────────────────────────────────────────────


async def test_a_sign_of_life_is_a_row_and_no_event(office: InMemoryApp) -> None:
    kept = await report(office, "healthy", "all well")

    sign = kept.sign
    assert (sign.reporter, sign.process, sign.detail) == ("runner:1", "healthy", "all well")
    assert (sign.presence_at, kept.sequence, kept.position) == (START, 1, 1)
    assert await office.types() == ["session.created"]


async def test_an_ill_process_is_recorded_once_per_episode(office: InMemoryApp) -> None:
    said: list[tuple[Process, int]] = [
        ("healthy", 1), ("unknown", 1), ("unhealthy", 2), ("unhealthy", 2), ("unknown", 2),
        ("unhealthy", 2), ("healthy", 3), ("healthy", 3), ("unhealthy", 4),
    ]  # fmt: skip
    for process, sequence in said:
        assert (await report(office, process, "out of memory")).sequence == sequence

    assert await office.types() == [
        "session.created",
        "session.unhealthy",
        "session.recovered",
        "session.unhealthy",
    ]
    assert await office.data() == {"detail": "out of memory"}


async def test_an_ill_process_shows_until_it_is_well_again(office: InMemoryApp) -> None:
    await report(office, "unhealthy", "out of memory")
    checkup = await office.checkup()
    ill = ("idle", "degraded", "session_unhealthy", "unhealthy")
    assert told(checkup) == ill
    assert checkup.last_error == "out of memory"

    await report(office, "unknown", "no idea")
    checkup = await office.checkup()
    assert (told(checkup), checkup.last_error) == (ill, None)
    await report(office, "healthy", "fine again")
    checkup = await office.checkup()
    assert (told(checkup), checkup.last_error) == (("idle", "healthy", "", "idle"), None)


async def test_what_is_ill_when_it_stops_is_well_when_it_is_resumed(office: InMemoryApp) -> None:
    await report(office, "unhealthy", "out of memory")
    await office.do(StopSession())
    await office.do(ResumeSession())

    checkup = await office.checkup()
    assert (told(checkup), checkup.last_error) == (("idle", "healthy", "", "idle"), None)


async def test_no_secret_is_kept(office: InMemoryApp) -> None:
    await report(office, "unhealthy", "login failed: password=hunter2 at db")

    assert await office.data() == {"detail": "login failed: password=[redacted] at db"}
    signs = await office.store.presence.of([SESSION_ID])
    assert signs[SESSION_ID].detail == "login failed: password=[redacted] at db"


async def test_an_event_whose_row_is_lost_is_not_told_twice_nor_forgotten(
    office: InMemoryApp,
) -> None:
    class Away(StandIn):
        async def touch(self, *_: object) -> None:
            raise StoreUnavailable

    away = Away(office.store.presence)
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await report(office, "unhealthy")
    away.step_aside()
    await report(office, "unhealthy")
    await report(office, "healthy")

    assert await office.types() == ["session.created", "session.unhealthy", "session.recovered"]


async def test_only_a_live_session_gives_signs(office: InMemoryApp) -> None:
    with pytest.raises(SessionNotFound):
        await report(office, session_id=uuid4())
    await office.do(StopSession())
    for process in ("healthy", "unhealthy", "unknown"):
        with pytest.raises(SessionIsStopped):
            await report(office, process)
    await office.do(DeleteSession())
    with pytest.raises(SessionIsDeleted):
        await report(office)

    assert await office.store.presence.of([SESSION_ID]) == {}


async def test_the_same_report_again_is_not_behind_its_own_event(office: InMemoryApp) -> None:
    for _ in range(2):
        kept = await report(office, "unhealthy", key="k1", expected=frozenset({1}))
        assert kept.sequence == 2
    with pytest.raises(IdempotencyKeyReused):
        await report(office, "unhealthy", key="k1", fingerprint=b"g" * 32)
    with pytest.raises(StaleSequence):
        await report(office, "unhealthy", key="k2", expected=frozenset({1}))


async def test_what_is_no_session_gives_no_signs(office: InMemoryApp) -> None:
    chain = Chain()
    scope = chain.next()
    scope.row, scope.scope = None, ScopeOwner("shop", None)
    await office.store.log.append(scope)

    with pytest.raises(SessionNotFound):
        await report(office, session_id=chain.session_id)
    with pytest.raises(SessionNotFound):
        await office.waits.until(chain.session_id, "stopped", 0)
    with pytest.raises(SessionNotFound):
        await office.attachments.attach(*asked(session_id=chain.session_id), "cli:1", MINUTE)


async def test_a_session_that_starts_gives_signs_and_is_ill_when_it_is_up() -> None:
    office = InMemoryApp()
    await office.create(starting=True)
    await report(office, "unhealthy", "cold")
    assert await office.types() == ["session.created"]

    await office.do(ActivateSession())
    await report(office, "unhealthy", "still cold")
    assert (await office.types())[-1] == "session.unhealthy"


@pytest.mark.parametrize(
    ("reporter", "detail", "field"),
    [
        ("", None, "reporter"),
        (" ", None, "reporter"),
        ("a\0", None, "reporter"),
        ("x" * 201, None, "reporter"),
        ("runner:1", "x" * 2049, "detail"),
        ("runner:1", "a\0b", "detail"),
    ],
)
async def test_what_cannot_be_kept_is_refused(
    office: InMemoryApp, reporter: str, detail: str | None, field: str
) -> None:
    with pytest.raises(Invalid) as refusal:
        await office.presence.report(*asked(), reporter, "unhealthy", detail)
    assert refusal.value.facts["field"] == field

    assert await office.store.presence.of([SESSION_ID]) == {}
    assert await office.types() == ["session.created"]
    with pytest.raises(StaleSequence):
        await report(office, "unhealthy", expected=frozenset({2}))
    await report(office, "unhealthy", "a\nb" + "x" * 2045, expected=frozenset({1}))


# ── many sessions ────────────────────────────────────────────────────────────────────────────


class Counting:
    """Ports that count what is asked of them."""

    def __init__(self, port: Any) -> None:
        self._port = port
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        self.asked += 1
        return getattr(self._port, name)


def count(office: InMemoryApp, *ports: str) -> list[Counting]:
    counting = []
    for name in ports:
        counting.append(Counting(getattr(office.store, name)))
        object.__setattr__(office.store, name, counting[-1])
    office.checkups = Checkups(office.store.session_rows, office.store.presence)
    return counting


async def crowd(office: InMemoryApp, number: int) -> list[UUID]:
    """Make sessions, each a second after the one before it."""
    made = []
    for n in range(number):
        office.clock.pass_time(seconds=1)
        made.append(await office.create(UUID(int=n + 1)))
    return made


async def test_a_page_takes_one_read_however_long_it_is(office: InMemoryApp) -> None:
    await crowd(office, 50)
    rows = await office.store.session_rows.sessions(SessionFilter(), SessionOrder(), None, 100)
    (presence,) = count(office, "presence")

    checkups = await office.checkups.of(rows)

    assert [checkup.session for checkup in checkups] == list(rows)
    assert (len(rows), presence.asked) == (51, 1)
    assert await office.checkups.of([]) == ()
    assert presence.asked == 1


def after(last: ListedSession) -> After:
    return After(last.updated_at, last.session_id)


async def page(
    office: InMemoryApp, limit: int, wanted: Any = lambda _: True, start: After | None = None
) -> CheckupPage[Checkup]:
    look = office.checkups.of
    return await office.checkups.search(SessionFilter(), SessionOrder(), start, limit, look, wanted)


async def everything(office: InMemoryApp, wanted: Any, limit: int) -> list[CheckupPage[Checkup]]:
    pages = [await page(office, limit, wanted)]
    while (last := pages[-1].last) is not None:
        pages.append(await page(office, limit, wanted, after(last)))
    return pages


@pytest.mark.parametrize("limit", [1, 7, 100, 200, 1000])
async def test_pages_of_a_search_are_together_what_is_wanted(
    office: InMemoryApp, limit: int
) -> None:
    made = [*await crowd(office, 420), SESSION_ID]
    ill = set(made[::3])
    for one in ill:
        await office.store.presence.touch(one, "r", "healthy", None)

    pages = await everything(office, lambda one: one.health.health == "healthy", limit)

    found = [one.session.session_id for page in pages for one in page.found]
    newest_first = sorted(ill - {SESSION_ID}, reverse=True)
    assert found == [*newest_first, *({SESSION_ID} & ill)]
    assert all(len(page.found) <= limit for page in pages)
    assert all(len(page.found) == limit for page in pages[:-1])


async def test_a_search_looks_at_a_thousand_sessions_at_most(office: InMemoryApp) -> None:
    made = await crowd(office, 2100)
    await office.store.presence.touch(made[0], "r", "healthy", None)
    (session_rows,) = count(office, "session_rows")

    pages = await everything(office, lambda one: one.health.health == "healthy", 10)

    assert [[one.session.session_id for one in page.found] for page in pages] == [
        [], [], [made[0]]
    ]  # fmt: skip
    assert session_rows.asked == 5 + 5 + 1


async def test_the_last_page_says_that_it_is_the_last(office: InMemoryApp) -> None:
    await crowd(office, 199)
    for limit in (200, 201):
        whole = await page(office, limit)
        assert len(whole.found) == 200
        # Two hundred rows are what is read at once: whether more follow is not known.
        assert (whole.last is None) == (limit == 201)
    first = await page(office, 199)
    assert first.last == first.found[-1].session
    await office.do(DeleteSession())
    whole = await page(office, 199)
    assert (len(whole.found), whole.last) == (199, None)


async def test_who_drives_them_takes_no_read(office: InMemoryApp) -> None:
    await crowd(office, 50)
    await office.attachments.attach(*asked(session_id=UUID(int=7)), "cli:1", MINUTE)
    await office.do(StopSession(), UUID(int=9))
    rows = await office.store.session_rows.sessions(SessionFilter(), SessionOrder(), None, 100)
    (presence,) = count(office, "presence")

    standing = await office.checkups.standing(rows)

    assert presence.asked == 0
    assert [one.session for one in standing] == list(rows)
    taken = {one.session.session_id: one.lease for one in standing if not one.attachable}
    assert {of: lease and lease.holder for of, lease in taken.items()} == {
        UUID(int=7): "cli:1", UUID(int=9): None
    }  # fmt: skip
    assert [one.standing for one in await office.checkups.of(rows)] == standing
    assert await office.checkups.standing([]) == []


async def test_a_row_of_an_older_release_says_less_and_is_read_all_the_same(
    office: InMemoryApp,
) -> None:
    row = await office.store.session_rows.session(SESSION_ID)
    assert row is not None
    old = row._replace(doc='{"failure":null}')

    (checkup,) = await office.checkups.of([old])

    assert told(checkup)[0] == "idle"
