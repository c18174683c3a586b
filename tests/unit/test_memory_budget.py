"""The memory budget of a process: its shares, what is weighed, and what is refused at the limit."""

import asyncio
import platform
import subprocess
import sys
import threading
from pathlib import Path
from uuid import UUID

import pytest

from api.composition.over_store import handler_over, repository_over
from application.commands.request import Request
from application.errors import Overloaded, StateTooLarge
from application.fan_out import FanOut
from application.memory_budget import MEBIBYTE, PROGRAM_BYTES, MemoryBudget, Share
from application.ports.log.append import Append
from domain.session import commands as c
from domain.session.state import Session
from infrastructure.machine_memory import default_budget, memory_of_machine, resident_bytes
from infrastructure.memory.store import MemoryStore
from tests.support.builders import OWNER
from tests.support.sse import eventually
from tests.support.stand_ins import StandIn

ROOT = Path(__file__).resolve().parents[2]
KIBIBYTE = 1024
MOST = 64 * KIBIBYTE


class Desk:
    """One process over a store in memory.

    Args:
        states: The bytes of its share for states.
        largest_state: The most bytes of one.
    """

    def __init__(self, states: int = MEBIBYTE, largest_state: int = MOST) -> None:
        self.store = MemoryStore()
        self.share = Share("states", states)
        self.repository = repository_over(self.store, share=self.share)
        self.handler = handler_over(
            self.store, self.repository, FanOut(), largest_state=largest_state
        )

    async def begin(self, number: int) -> UUID:
        session_id = UUID(int=number)
        await self.ask(session_id, c.CreateSession(owner=OWNER))
        return session_id

    async def ask(self, session_id: UUID, command: c.Command) -> None:
        await self.handler.handle(Request(session_id, command, "user:ada"))

    def kept(self, numbers: range) -> list[int]:
        return [n for n in numbers if self.repository.cached(UUID(int=n)) is not None]

    def counts_what_it_keeps(self) -> bool:
        return self.share.used == sum(
            one.memory for one in self.repository._states._states.values()
        )


def key(name: str, kibibytes: int, letter: str = "x") -> c.PatchState:
    return c.PatchState(set={name: letter * (kibibytes * KIBIBYTE)})


def test_a_share_refuses_what_does_not_fit_and_takes_it_when_there_is_room() -> None:
    share = Share("requests", 100)
    share.take(60)
    with pytest.raises(Overloaded) as refused:
        share.take(41)
    assert refused.value.facts == {"share": "requests", "limit": 100}
    assert share.used == 60
    share.count(-60)
    share.take(100)


def test_the_shares_of_a_budget_and_the_program_are_all_of_it() -> None:
    budget = MemoryBudget(512 * MEBIBYTE)
    in_all = sum(share.limit for share in budget.shares()) + PROGRAM_BYTES
    assert in_all == pytest.approx(budget.total, abs=len(budget.shares()))
    assert all(share.limit > 0 for share in MemoryBudget(128 * MEBIBYTE).shares())


async def test_large_states_push_out_more_others_than_small_ones() -> None:
    desk = Desk(states=140 * KIBIBYTE)
    for number in range(1, 9):
        await desk.begin(number)
    assert desk.kept(range(1, 9)) == [*range(1, 9)]
    large = await desk.begin(9)
    await desk.ask(large, key("a", 30))
    left = desk.kept(range(1, 10))
    assert left == [*range(10 - len(left), 10)]
    assert len(left) < 9
    assert desk.counts_what_it_keeps()
    assert not desk.share.is_over


async def test_a_state_is_weighed_again_when_much_was_written_that_it_does_not_hold() -> None:
    desk = Desk()
    session_id = await desk.begin(1)
    for _ in range(20):
        await desk.ask(session_id, key("same", 16))
        await desk.ask(session_id, c.PatchState(delete=("same",)))
    loaded = desk.repository.cached(session_id)
    assert loaded is not None
    assert loaded.weight < 100 * KIBIBYTE
    assert desk.counts_what_it_keeps()
    desk.repository.forget(session_id)
    assert desk.share.used == 0


async def test_a_state_that_is_read_from_the_log_is_weighed_as_the_one_it_was() -> None:
    desk = Desk()
    session_id = await desk.begin(1)
    for number in range(5):
        await desk.ask(session_id, key(f"k{number}", 8))
    kept = desk.repository.cached(session_id)
    desk.repository.forget(session_id)
    again = await desk.repository.load(session_id)
    assert kept is not None
    assert again.weight == pytest.approx(kept.weight, rel=0.1)
    assert desk.counts_what_it_keeps()


async def test_a_session_whose_state_is_full_takes_only_what_makes_room() -> None:
    desk = Desk()
    session_id = await desk.begin(1)
    for number in range(3):
        await desk.ask(session_id, key(f"k{number}", 20))
    with pytest.raises(StateTooLarge) as refused:
        await desk.ask(session_id, key("k3", 20))
    assert refused.value.facts["limit"] == MOST
    assert 60 * KIBIBYTE < refused.value.facts["size"] <= MOST

    await desk.ask(session_id, c.PatchState(delete=("k0", "k1")))
    await desk.ask(session_id, key("k3", 20))
    await desk.ask(session_id, c.DeleteSession())


async def test_many_writes_of_one_key_do_not_fill_a_state() -> None:
    desk = Desk()
    session_id = await desk.begin(1)
    for number in range(30):
        await desk.ask(session_id, c.PatchState(set={"k": f"{number}" * (8 * KIBIBYTE)}))


async def test_commands_that_wait_together_are_decided_in_turn_where_a_state_is_full() -> None:
    """Each is decided on what the ones before it leave, weighed: one that takes a place may go."""
    desk = Desk()
    session_id = await desk.begin(1)
    for number in range(3):
        await desk.ask(session_id, key(f"k{number}", 14))
    commands = [key("k0", 15), key("new", 18), key("newer", 18), c.PatchState(delete=("k2",))]
    commands += [key("newer", 12), key("newest", 16)]
    outcomes = await asyncio.gather(
        *(desk.ask(session_id, command) for command in commands), return_exceptions=True
    )
    refused = [isinstance(outcome, StateTooLarge) for outcome in outcomes]
    assert refused == [False, False, True, False, False, True]
    assert [one for one in outcomes if not isinstance(one, StateTooLarge)] == [None] * 4
    loaded = await desk.repository.load(session_id)
    assert {"k0", "k1", "new", "newer"} == set(loaded.session.state)
    assert desk.counts_what_it_keeps()


class SlowScales(StandIn):
    """Kept states of which a large one is weighed when the test says so.

    Args:
        store: Whose they are.
    """

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store.snapshots)
        self.may_weigh = threading.Event()

    def weigh(self, session: Session) -> int:
        weight = self.before.weigh(session)
        if weight > 100 * KIBIBYTE and not self.may_weigh.wait(60):
            raise TimeoutError
        return weight


class SlowLog(StandIn):
    """A log that takes an append each time the test says so.

    Args:
        store: Whose it is.
    """

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store.log)
        self.has_come, self.may_append = asyncio.Semaphore(0), asyncio.Semaphore(0)

    async def append(self, append: Append) -> int:
        self.has_come.release()
        await self.may_append.acquire()
        return await self.before.append(append)


async def test_the_loop_goes_on_while_a_large_state_is_weighed() -> None:
    desk = Desk(states=16 * MEBIBYTE, largest_state=MEBIBYTE)
    scales = SlowScales(desk.store)
    large, other = await desk.begin(1), await desk.begin(2)
    await desk.ask(large, key("large", 200, "a"))
    await desk.ask(large, key("large", 200, "b"))
    before = desk.repository.cached(large)
    weight = before and before.weight
    await desk.ask(other, key("k", 1))
    scales.may_weigh.set()
    assert weight is not None
    assert weight > 400 * KIBIBYTE

    async def is_weighed() -> bool:
        found = desk.repository.cached(large)
        return found is not None and 200 * KIBIBYTE < found.weighed.size < 250 * KIBIBYTE

    await eventually(is_weighed, "its weight is known", 60)
    assert desk.counts_what_it_keeps()


async def test_a_weight_that_is_found_during_an_append_counts_for_the_state_after_it() -> None:
    """Else who writes all the time has the state weighed anew at each append."""
    desk = Desk(states=16 * MEBIBYTE, largest_state=MEBIBYTE)
    scales = SlowScales(desk.store)
    large, other = await desk.begin(1), await desk.begin(2)
    await desk.ask(large, key("large", 200, "a"))
    await desk.ask(large, key("large", 200, "b"))
    slow = SlowLog(desk.store)
    asked = asyncio.create_task(desk.ask(large, key("k", 1)))
    await slow.has_come.acquire()
    scales.may_weigh.set()

    async def is_weighed() -> bool:
        found = desk.repository.cached(large)
        return found is not None and 200 * KIBIBYTE < found.weighed.size < 250 * KIBIBYTE

    await eventually(is_weighed, "its weight is known", 60)
    slow.may_append.release()
    await asked
    after = desk.repository.cached(large)
    assert after is not None
    assert after.session.sequence == 4
    assert 200 * KIBIBYTE < after.weighed.size < 250 * KIBIBYTE
    assert not after.is_to_be_weighed
    slow.may_append.release()
    await desk.ask(other, key("k", 1))
    assert desk.counts_what_it_keeps()


async def test_a_command_whose_caller_has_gone_is_not_stored_after_those_before_it() -> None:
    """It waits for what the state weighs after them, and its caller leaves meanwhile."""
    desk = Desk(states=16 * MEBIBYTE, largest_state=100 * KIBIBYTE)
    session_id = await desk.begin(1)
    for letter in "ab":
        await desk.ask(session_id, key("same", 20, letter))
    slow = SlowLog(desk.store)
    before = asyncio.create_task(desk.ask(session_id, key("k", 1)))
    await slow.has_come.acquire()
    one = asyncio.create_task(desk.ask(session_id, key("same", 30)))
    other = asyncio.create_task(desk.ask(session_id, key("other", 30)))
    await asyncio.sleep(0)
    slow.may_append.release()
    await before
    await slow.has_come.acquire()
    other.cancel()
    await asyncio.wait((other,))
    slow.may_append.release()
    await one
    for _ in range(4):
        slow.may_append.release()
    await desk.ask(session_id, key("last", 1))
    loaded = await desk.repository.load(session_id)
    assert {"same", "k", "last"} == set(loaded.session.state)


async def test_the_loop_goes_on_while_it_is_weighed_whether_a_state_is_full() -> None:
    desk = Desk(states=16 * MEBIBYTE, largest_state=500 * KIBIBYTE)
    scales = SlowScales(desk.store)
    full, other = await desk.begin(1), await desk.begin(2)
    await desk.ask(full, key("large", 200, "a"))
    await desk.ask(full, key("large", 200, "b"))
    asked = asyncio.create_task(desk.ask(full, key("large", 200, "c")))
    for _ in range(3):
        await desk.ask(other, key("k", 1))
    assert not asked.done()
    scales.may_weigh.set()
    await asked
    assert desk.counts_what_it_keeps()


def test_the_memory_is_that_of_the_tightest_control_group(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_text("0::/a/b\n")
    machine = memory_of_machine(tmp_path, own)
    assert machine > 256 * MEBIBYTE
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (inner / "memory.max").write_text("max\n")
    assert memory_of_machine(tmp_path, own) == machine
    (tmp_path / "a" / "memory.max").write_text(f"{900 * MEBIBYTE}\n")
    assert memory_of_machine(tmp_path, own) == min(900 * MEBIBYTE, machine)
    assert default_budget(1, tmp_path, own) == 450 * MEBIBYTE
    assert default_budget(4, tmp_path, own) == 256 * MEBIBYTE


def test_the_first_version_of_control_groups_is_understood(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_text("4:cpu,cpuacct:/x\n7:memory:/x/y\n")
    group = tmp_path / "memory" / "x" / "y"
    group.mkdir(parents=True)
    (group / "memory.limit_in_bytes").write_text(f"{512 * MEBIBYTE}\n")
    (tmp_path / "memory" / "memory.limit_in_bytes").write_text("9223372036854771712\n")
    assert memory_of_machine(tmp_path, own) == 512 * MEBIBYTE


def test_the_memory_of_this_process_can_be_told() -> None:
    assert 10 * MEBIBYTE < resident_bytes() < memory_of_machine()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is about glibc")
def test_blocks_that_are_freed_go_back_to_the_system_by_and_by() -> None:
    """In a process of its own, which has few other blocks; else 100 MB stay."""
    program = """
import asyncio
from application.ports.log.append import Append
from application.memory_budget import MemoryBudget
from infrastructure.machine_memory import MemoryReport, resident_bytes

async def main():
    before = resident_bytes()
    small = []
    for _ in range(5):
        large = []
        for _ in range(100):
            large.append(b"x" * 900_000)
            small += [bytes(5_000) for _ in range(4)]
        large.clear()
    report = MemoryReport(MemoryBudget(2**30))
    await report.start()
    async with asyncio.timeout(60):
        while resident_bytes() - before > 30_000_000:
            await asyncio.sleep(0.05)
    await report.stop()

asyncio.run(main())
"""
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


_LARGE_ANSWERS = """
import resource
from infrastructure.machine_memory import give_back_what_is_free, keep_what_is_free, resident_bytes

keep_what_is_free()

def answer(times):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(times):
        parts = [bytes([1]) * 1_000_000 for _ in range(6)]
        del parts
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

answer(10)
print(answer(10))
held = resident_bytes()
give_back_what_is_free()
print(held - resident_bytes())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it alone can be told to keep memory")
def test_memory_that_an_answer_took_is_kept_for_the_next_and_then_given_back() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", _LARGE_ANSWERS], cwd=ROOT, capture_output=True, text=True, check=True
    )
    made_anew, given_back = map(int, ran.stdout.split())
    # Each million has 244 pages.
    assert made_anew < 10 * 244
    assert given_back > 4_000_000
