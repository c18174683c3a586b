"""The job that follows retention policies: when it runs, and what keeps it from nothing else."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from api.composition.retention import policies_of
from api.settings import Settings
from api.start_error import StartError
from application.ports.session.listing import SessionFilter
from application.ports.session.retention import (
    ArchiveDamaged,
    ExpiredSession,
    KeptMeanwhile,
    RetentionPolicy,
    UnderHold,
)
from application.retention.job import RetentionJob
from application.retention.keeping import Retention
from application.retention.policies import PolicyFault, read_policies
from application.retention.stored_sessions import filter_of
from infrastructure.clock import SystemClock
from infrastructure.memory.session.retention_runs import MemoryRetentionRuns

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
HELD, SET_ON_HOLD, GONE_ON, ERASED = (UUID(int=number) for number in range(1, 5))
ARCHIVING = RetentionPolicy("one", {"app": "x"}, DAY, "archive_and_erase", Path("/archive"))
ERASING = RetentionPolicy("two", {"app": "x"}, DAY, "erase", None)


class Hand(SystemClock):
    """A clock that is set by hand."""

    time = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time


class Sessions:
    """Four that are old: what becomes of each is its name."""

    def __init__(self) -> None:
        self.erased: list[UUID] = []
        self.heads: list[Mapping[UUID, int]] = []
        self.asked: list[datetime] = []

    async def of(self, _: RetentionPolicy, before: datetime) -> AsyncGenerator[ExpiredSession]:
        self.asked.append(before)
        for one in (HELD, SET_ON_HOLD, GONE_ON, ERASED):
            yield ExpiredSession(one, {one: 7}, one == HELD)

    async def erase(self, session: ExpiredSession, _: str) -> None:
        if session.session_id == SET_ON_HOLD:
            raise UnderHold
        if session.session_id == GONE_ON:
            raise KeptMeanwhile
        self.erased.append(session.session_id)
        self.heads.append(session.heads)


class Archives:
    """Takes all that it is given, unless it is full."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.fault = fault
        self.written: list[UUID] = []

    async def write(self, folder: Path, log_ids: Sequence[UUID]) -> Path:
        self.written += log_ids
        return folder / "now"

    async def verify(self, bundle: Path, log_ids: Sequence[UUID]) -> Mapping[UUID, int]:
        assert bundle == Path("/archive/one/now")
        if self.fault is not None:
            raise self.fault
        # All of them have gone on between being found and being archived.
        return dict.fromkeys(log_ids, 9)


class Desk:
    """A job over what stands in for the world."""

    def __init__(self, policies: Sequence[RetentionPolicy], fault: Exception | None = None) -> None:
        self.clock = Hand()
        self.sessions, self.archives = Sessions(), Archives(fault)
        self.runs = MemoryRetentionRuns(self.clock)
        self.policies: Sequence[RetentionPolicy] | PolicyFault = policies
        retention = Retention(self.sessions, self.archives, self.clock.now)
        self.job = RetentionJob(retention, self._read, self.runs, every=DAY)

    def _read(self) -> Sequence[RetentionPolicy]:
        if isinstance(self.policies, PolicyFault):
            raise self.policies
        return self.policies

    async def after(self, passed: timedelta) -> float:
        self.clock.time += passed
        return await self.job.round()


async def test_it_runs_once_a_day_whichever_process_asks():
    desk = Desk([ERASING])
    start = desk.clock.time
    assert await desk.after(timedelta()) == 600.0
    assert desk.sessions.asked == [start - DAY]
    assert await desk.after(23 * HOUR) == 600.0
    assert await desk.after(HOUR - timedelta(seconds=5)) == 5.0
    assert len(desk.sessions.asked) == 1
    await desk.after(timedelta(seconds=5))
    assert desk.sessions.asked[1:] == [start]


async def test_a_run_that_was_killed_goes_on_at_once():
    desk = Desk([ERASING])
    await desk.runs.begin()
    await desk.after(timedelta(seconds=1))
    assert desk.sessions.erased == [ERASED]


async def test_what_is_held_or_has_gone_on_stays_and_is_counted():
    desk = Desk([ARCHIVING])
    await desk.after(timedelta())
    assert desk.archives.written == [SET_ON_HOLD, GONE_ON, ERASED]
    assert (desk.sessions.erased, desk.sessions.heads) == ([ERASED], [{ERASED: 9}])
    assert desk.runs.counted == [("one", "done", 1), ("one", "held", 2), ("one", "changed", 1)]


async def test_what_is_only_archived_is_not_erased():
    desk = Desk([ARCHIVING._replace(action="archive")])
    await desk.after(timedelta())
    assert desk.archives.written == [SET_ON_HOLD, GONE_ON, ERASED]
    assert desk.sessions.erased == []


def test_a_policy_is_about_all_that_it_names(tmp_path: Path):
    path = tmp_path / "retention.toml"
    told = {"app": "a", "user": "u", "workspace": "w", "agent": "g", "tag": "t"}
    lines = [f'{name} = "{value}"' for name, value in told.items()]
    path.write_text("\n".join([
        "[[policy]]", 'name = "old"', 'older_than = "2d"', 'action = "erase"', 'type = "system"',
        'status = "idle"', *lines,
    ]))  # fmt: skip
    before = datetime(2026, 1, 1, tzinfo=UTC)
    (policy,) = read_policies(path)
    assert filter_of(policy, before) == SessionFilter(
        **told, type=("system",), status=("idle",), active_before=before
    )
    assert filter_of(ERASING, before) == SessionFilter(app="x", active_before=before)


@pytest.mark.parametrize("fault", [ArchiveDamaged("not whole"), OSError("no space left")])
async def test_a_policy_whose_archive_fails_erases_nothing_and_holds_up_no_other(fault: Exception):
    desk = Desk([ARCHIVING, ERASING], fault)
    await desk.after(timedelta())
    assert [policy for policy, _, _ in desk.runs.counted] == 3 * ["two"]
    last = await desk.runs.last()
    assert last is not None
    assert (last.ended, last.failure) == (True, f"one: {fault}")
    # Tried again soon, not tomorrow.
    desk.archives.fault = None
    await desk.after(timedelta(minutes=9))
    assert len(desk.sessions.asked) == 2
    await desk.after(timedelta(minutes=1))
    assert len(desk.sessions.asked) == 4


async def test_a_file_that_was_broken_meanwhile_erases_nothing():
    desk = Desk([ERASING])
    desk.policies = PolicyFault("there is no such file")
    await desk.after(timedelta())
    last = await desk.runs.last()
    assert (desk.sessions.asked, last and last.failure) == ([], "there is no such file")


def test_a_server_does_not_start_with_policies_that_cannot_be_meant(tmp_path: Path):
    path = tmp_path / "retention.toml"
    with pytest.raises(StartError, match="cannot be read"):
        policies_of(Settings(retention_policy=path))
    path.write_text("[[policy]]")
    with pytest.raises(StartError, match="CAIRN_RETENTION_POLICY"):
        policies_of(Settings(retention_policy=path))
    assert policies_of(Settings()) == []
