"""Attaching to sessions: the row decides, the log tells, and neither is left behind alone."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest

from application.errors import (
    IdempotencyKeyInFlight,
    IdempotencyKeyReused,
    LeaseHeld,
    OutcomeUnknown,
    StaleSequence,
    StoreUnavailable,
)
from application.ports.log.append import Append
from application.ports.log.event_log import EventLog
from domain.errors import (
    CairnError,
    Invalid,
    LeaseNotHeld,
    NotAttachable,
    SessionIsDeleted,
    SessionNotFound,
)
from domain.session.commands import (
    ActivateSession,
    Command,
    CreateSession,
    DeleteSession,
    ResumeSession,
    StartTurn,
    StopSession,
)
from domain.values import Failure
from tests.support.builders import OWNER, SESSION_ID, text
from tests.support.in_memory_app import START, InMemoryApp, asked
from tests.support.stand_ins import StandIn

MINUTE = timedelta(minutes=1)
MOMENT = timedelta(microseconds=1)
CREATED = ["session.created"]


@pytest.fixture
async def office() -> InMemoryApp:
    office = InMemoryApp()
    await office.create()
    return office


async def attach(office: InMemoryApp, holder: str = "cli:1", **conditions: Any) -> UUID:
    outcome = await office.attachments.attach(*asked(**conditions), holder, MINUTE)
    lease_id: UUID = outcome.answer["lease_id"]
    return lease_id


class Broken(StandIn):
    """A log that cannot be written; `after` it was."""

    def __init__(self, log: EventLog, error: CairnError, *, after: bool = False) -> None:
        super().__init__(log)
        self._error = error
        self._after = after

    async def append(self, append: Append) -> int:
        if self._after:
            await self.before.append(append)
        raise self._error


@pytest.fixture
def broken(office: InMemoryApp) -> Callable[..., Broken]:
    return partial(Broken, office.store.log)


# ── attach ───────────────────────────────────────────────────────────────────────────────────


async def test_the_log_says_what_the_row_says(office: InMemoryApp) -> None:
    outcome = await office.attachments.attach(*asked(), "cli:1", MINUTE)

    lease = await office.lease()
    assert lease is not None
    assert (lease.holder, lease.acquired_at, lease.expires_at) == ("cli:1", START, START + MINUTE)
    assert await office.types() == [*CREATED, "attachment.acquired"]
    assert await office.data() == {
        "lease_id": str(lease.token),
        "holder": "cli:1",
        "expires_at": "2026-11-21T12:01:00.000000Z",
    }
    answer = dict(outcome.answer)
    session = answer.pop("session")
    assert answer == {
        "lease_id": lease.token,
        "holder": "cli:1",
        "acquired_at": "2026-11-21T12:00:00.000000Z",
        "expires_at": "2026-11-21T12:01:00.000000Z",
    }
    assert (session["id"], session["status"], session["sequence"]) == (SESSION_ID, "idle", 2)
    assert (outcome.changed, outcome.sequence) == (True, 2)


async def test_who_comes_second_is_told_who_drives_it_and_until_when(office: InMemoryApp) -> None:
    await attach(office, "cli:1")
    for holder in ("cli:2", "cli:1"):
        with pytest.raises(LeaseHeld) as refusal:
            await attach(office, holder)
        assert refusal.value.facts == {
            "holder": "cli:1",
            "expires_at": "2026-11-21T12:01:00.000000Z",
        }
    assert await office.types() == [*CREATED, "attachment.acquired"]

    office.clock.pass_time(seconds=60)
    second = await attach(office, "cli:2")

    assert (await office.data())["lease_id"] == str(second)


async def test_of_sixteen_who_attach_at_once_one_does(office: InMemoryApp) -> None:
    results = await asyncio.gather(
        *(attach(office, f"cli:{n}") for n in range(16)), return_exceptions=True
    )

    (winner,) = [one for one in results if isinstance(one, UUID)]
    assert {type(one) for one in results} == {UUID, LeaseHeld}
    lease = await office.lease()
    assert lease is not None
    assert lease.token == winner
    assert await office.types() == [*CREATED, "attachment.acquired"]


@pytest.mark.parametrize(
    ("commands", "badge", "status"),
    [
        ([StopSession()], "stopped", "stopped"),
        ([StopSession(cause="process_exited", failure=Failure(kind="crash"))], "failed", "stopped"),
    ],
)
async def test_what_is_not_well_is_not_attached(
    office: InMemoryApp, commands: list[Command], badge: str, status: str
) -> None:
    for command in commands:
        await office.do(command)
    with pytest.raises(NotAttachable) as refusal:
        await attach(office)

    assert refusal.value.facts == {"badge": badge, "session_status": status}
    assert await office.lease() is None


@pytest.mark.parametrize(
    ("kind", "badge"),
    [("process_exit", "idle"), ("provider_auth_failure", "waiting-for-auth")],
)
async def test_after_a_crash_the_next_agent_is_attached_unless_somebody_has_to_authorise_it(
    office: InMemoryApp, kind: str, badge: str
) -> None:
    failure = Failure(kind=kind, summary="exit status 139")
    await office.do(StopSession(cause="process_exited", failure=failure))
    await office.do(ResumeSession())
    checkup = await office.checkup()
    assert checkup.last_error == "exit status 139"
    assert checkup.attachable == (badge == "idle")

    if badge == "idle":
        await attach(office)
    else:
        with pytest.raises(NotAttachable) as refusal:
            await attach(office)
        assert refusal.value.facts == {"badge": badge, "session_status": "idle"}


async def test_a_session_that_starts_is_attached_when_its_agent_is_up() -> None:
    office = InMemoryApp()
    await office.create(starting=True)
    with pytest.raises(NotAttachable) as refusal:
        await attach(office)
    assert refusal.value.facts == {"badge": "running", "session_status": "starting"}

    await office.do(ActivateSession())
    await attach(office)


async def test_a_running_turn_can_be_watched_over(office: InMemoryApp) -> None:
    await office.do(StartTurn(turn_id="t1", message_id="m1", parts=text()))
    await attach(office)

    assert (await office.types())[-1] == "attachment.acquired"


async def test_what_is_not_there_is_not_attached(office: InMemoryApp) -> None:
    with pytest.raises(SessionNotFound):
        await attach(office, session_id=uuid4())
    await office.do(DeleteSession())
    with pytest.raises(SessionIsDeleted):
        await attach(office)


async def test_whoever_looked_too_long_ago_is_refused_before_anything_is_taken(
    office: InMemoryApp,
) -> None:
    with pytest.raises(StaleSequence) as refusal:
        await attach(office, expected=frozenset({7}))
    assert refusal.value.facts == {"head": 1}
    assert await office.lease() is None

    await attach(office, expected=frozenset({7, 1}))


@pytest.mark.parametrize(
    ("holder", "ttl", "field"),
    [
        ("", MINUTE, "holder"),
        ("a\0b", MINUTE, "holder"),
        ("x" * 201, MINUTE, "holder"),
        ("cli:1", timedelta(seconds=1) - MOMENT, "ttl_seconds"),
        ("cli:1", timedelta(0), "ttl_seconds"),
        ("cli:1", timedelta(days=1) + MOMENT, "ttl_seconds"),
    ],
)
async def test_a_lease_has_a_holder_and_a_bounded_time(
    office: InMemoryApp, holder: str, ttl: timedelta, field: str
) -> None:
    with pytest.raises(Invalid) as refusal:
        await office.attachments.attach(*asked(), holder, ttl)
    assert refusal.value.facts["field"] == field
    assert await office.lease() is None

    lease_id = await attach(office)
    if field == "ttl_seconds":
        with pytest.raises(Invalid):
            await office.attachments.renew(*asked(), "cli:1", lease_id, ttl)


@pytest.mark.parametrize("ttl", [timedelta(seconds=1), timedelta(days=1)])
async def test_the_bounds_themselves_are_allowed(office: InMemoryApp, ttl: timedelta) -> None:
    await office.attachments.attach(*asked(), "cli:1", ttl)

    lease = await office.lease()
    assert lease is not None
    assert lease.expires_at == START + ttl


# ── what lies between the row and the event ──────────────────────────────────────────────────


class StoppingMeanwhile(StandIn):
    """Leases on a session that stops just before they are taken."""

    def __init__(self, office: InMemoryApp, command: Command) -> None:
        self._office = office
        super().__init__(office.store.leases)
        self._command = command

    async def acquire(self, *given: Any) -> Any:
        await self._office.do(self._command)
        return await self.before.acquire(*given)


@pytest.mark.parametrize(
    ("command", "error"), [(StopSession(), NotAttachable), (DeleteSession(), SessionIsDeleted)]
)
async def test_a_row_that_no_rule_allows_is_given_back(
    office: InMemoryApp, command: Command, error: type[Exception]
) -> None:
    StoppingMeanwhile(office, command)
    with pytest.raises(error):
        await attach(office)

    assert await office.lease() is None
    assert "attachment.acquired" not in await office.types()


async def test_a_row_whose_event_was_surely_not_stored_is_given_back(
    office: InMemoryApp, broken: Callable[..., Broken]
) -> None:
    broken(StoreUnavailable())
    with pytest.raises(StoreUnavailable):
        await attach(office)

    assert await office.lease() is None


@pytest.mark.parametrize("written", [False, True])
async def test_a_row_whose_event_may_be_stored_is_kept_for_who_asks_again(
    office: InMemoryApp, broken: Callable[..., Broken], written: bool
) -> None:
    log = broken(OutcomeUnknown(), after=written)
    with pytest.raises(OutcomeUnknown):
        await attach(office, key="k1")
    kept = await office.lease()
    assert kept is not None
    log.step_aside()

    again = await office.attachments.attach(*asked(key="k1"), "cli:1", MINUTE)

    assert str(again.answer["lease_id"]) == str(kept.token)
    assert again.replayed == written
    assert await office.types() == [*CREATED, "attachment.acquired"]


async def test_another_request_with_its_key_does_not_have_its_lease(
    office: InMemoryApp, broken: Callable[..., Broken]
) -> None:
    log = broken(OutcomeUnknown())
    with pytest.raises(OutcomeUnknown):
        await attach(office, key="k1")
    kept = await office.lease()
    log.step_aside()
    with pytest.raises(LeaseHeld):
        await attach(office, key="k1", fingerprint=b"g" * 32)

    assert await office.lease() == kept


async def test_what_a_crash_leaves_runs_out_by_itself(office: InMemoryApp) -> None:
    await office.store.leases.acquire(SESSION_ID, uuid4(), "cli:gone", MINUTE)
    with pytest.raises(LeaseHeld):
        await attach(office)
    office.clock.pass_time(seconds=60)

    await attach(office)


async def test_a_stop_frees_the_lease_for_whoever_resumes(office: InMemoryApp) -> None:
    lease_id = await attach(office, "cli:1")
    await office.do(StopSession())

    assert await office.lease() is None
    with pytest.raises(LeaseNotHeld):
        await office.attachments.renew(*asked(), "cli:1", lease_id, MINUTE)
    await office.do(ResumeSession())
    await attach(office, "cli:2")


# ── the same request again ───────────────────────────────────────────────────────────────────


async def test_the_same_request_again_has_the_first_answer(office: InMemoryApp) -> None:
    first = await office.attachments.attach(*asked(key="k1"), "cli:1", MINUTE)
    office.clock.pass_time(seconds=30)

    again = await office.attachments.attach(*asked(key="k1"), "cli:1", MINUTE)

    assert again.replayed
    assert str(again.answer["lease_id"]) == str(first.answer["lease_id"])
    assert again.answer["expires_at"] == first.answer["expires_at"]
    lease = await office.lease()
    assert lease is not None
    assert lease.expires_at == START + MINUTE


async def test_the_same_request_again_takes_nothing_that_was_let_go(office: InMemoryApp) -> None:
    lease_id = await attach(office, key="k1")
    await office.attachments.detach(*asked(), lease_id)

    again = await office.attachments.attach(*asked(key="k1"), "cli:1", MINUTE)

    assert again.replayed
    assert await office.lease() is None
    with pytest.raises(IdempotencyKeyReused):
        await attach(office, key="k1", fingerprint=b"g" * 32)


async def test_the_same_request_twice_at_once_does_not_lose_the_lease(office: InMemoryApp) -> None:
    results = await asyncio.gather(
        attach(office, key="k1"), attach(office, key="k1"), return_exceptions=True
    )

    (lease_id,) = [one for one in results if isinstance(one, UUID)]
    (refusal,) = [one for one in results if not isinstance(one, UUID)]
    assert isinstance(refusal, IdempotencyKeyInFlight)
    lease = await office.lease()
    assert lease is not None
    assert lease.token == lease_id


# ── renew ────────────────────────────────────────────────────────────────────────────────────


async def test_renewing_prolongs_the_row_and_records_nothing(office: InMemoryApp) -> None:
    lease_id = await attach(office)
    office.clock.pass_time(seconds=45)

    outcome = await office.attachments.renew(*asked(), "cli:1", lease_id, 2 * MINUTE)

    assert (outcome.changed, outcome.sequence) == (False, 2)
    assert outcome.answer["lease_id"] == lease_id
    assert outcome.answer["acquired_at"] == "2026-11-21T12:00:00.000000Z"
    assert outcome.answer["expires_at"] == "2026-11-21T12:02:45.000000Z"
    lease = await office.lease()
    assert lease is not None
    assert lease.expires_at == START + timedelta(seconds=165)
    assert await office.types() == [*CREATED, "attachment.acquired"]


async def test_renewing_again_with_a_key_has_the_first_answer(office: InMemoryApp) -> None:
    lease_id = await attach(office)
    first = await office.attachments.renew(*asked(key="r1"), "cli:1", lease_id, MINUTE)
    office.clock.pass_time(seconds=30)

    again = await office.attachments.renew(*asked(key="r1"), "cli:1", lease_id, MINUTE)

    assert again.replayed
    assert again.answer["expires_at"] == first.answer["expires_at"]
    lease = await office.lease()
    assert lease is not None
    assert lease.expires_at == START + MINUTE


async def test_a_lease_is_renewed_by_its_holder_while_it_lasts(office: InMemoryApp) -> None:
    lease_id = await attach(office, "cli:1")
    for holder, token in (("cli:2", lease_id), ("cli:1", uuid4())):
        with pytest.raises(LeaseNotHeld) as refusal:
            await office.attachments.renew(*asked(), holder, token, 10 * MINUTE)
        assert refusal.value.facts == {"lease_id": str(token)}
    with pytest.raises(StaleSequence):
        await office.attachments.renew(
            *asked(expected=frozenset({1})), "cli:1", lease_id, 10 * MINUTE
        )
    lease = await office.lease()
    assert lease is not None
    assert lease.expires_at == START + MINUTE

    office.clock.pass_time(seconds=60)
    with pytest.raises(LeaseNotHeld):
        await office.attachments.renew(*asked(), "cli:1", lease_id, MINUTE)


async def test_renewing_tells_the_log_what_a_crash_kept_from_it(office: InMemoryApp) -> None:
    claim = await office.store.leases.acquire(SESSION_ID, uuid4(), "cli:1", MINUTE)

    await office.attachments.renew(*asked(), "cli:1", claim.lease.token, MINUTE)

    assert (await office.data())["lease_id"] == str(claim.lease.token)


# ── detach ───────────────────────────────────────────────────────────────────────────────────


async def test_letting_go_frees_the_row_and_is_recorded(office: InMemoryApp) -> None:
    lease_id = await attach(office)

    outcome = await office.attachments.detach(*asked(), lease_id)

    assert outcome.sequence == 3
    assert await office.lease() is None
    assert (await office.types())[-1] == "attachment.released"
    assert await office.data() == {
        "lease_id": str(lease_id),
        "holder": "cli:1",
        "reason": "released",
    }
    with pytest.raises(LeaseNotHeld):
        await office.attachments.detach(*asked(), lease_id)


async def test_nobody_lets_go_of_what_another_holds(office: InMemoryApp) -> None:
    mine = await attach(office, "cli:1")
    office.clock.pass_time(seconds=60)
    theirs = await attach(office, "cli:2")
    for token in (mine, uuid4()):
        with pytest.raises(LeaseNotHeld):
            await office.attachments.detach(*asked(), token)
    with pytest.raises(StaleSequence):
        await office.attachments.detach(*asked(expected=frozenset({1})), theirs)

    lease = await office.lease()
    assert lease is not None
    assert lease.token == theirs


async def test_letting_go_of_what_the_log_never_heard_of_frees_it(office: InMemoryApp) -> None:
    claim = await office.store.leases.acquire(SESSION_ID, uuid4(), "cli:1", MINUTE)
    with pytest.raises(LeaseNotHeld):
        await office.attachments.detach(*asked(), claim.lease.token)

    assert await office.lease() is None


async def test_letting_go_again_with_a_key_has_the_first_answer(office: InMemoryApp) -> None:
    lease_id = await attach(office)
    first = await office.attachments.detach(*asked(key="d1"), lease_id)
    await attach(office, "cli:2")

    again = await office.attachments.detach(*asked(key="d1"), lease_id)

    assert (again.replayed, again.sequence) == (True, first.sequence)
    lease = await office.lease()
    assert lease is not None
    assert lease.holder == "cli:2"


async def test_another_session_is_another_matter(office: InMemoryApp) -> None:
    other = uuid4()
    await office.do(CreateSession(owner=OWNER), other)
    await attach(office)
    await attach(office, session_id=other)

    assert None not in (await office.lease(), await office.lease(other))
