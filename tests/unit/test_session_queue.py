"""What waits for one session has bounds, in number, in bytes and in time."""

import asyncio
from typing import Any

import pytest

from api.composition.over_store import scope_handler_over
from application.commands.request import Outcome, Request, ScopeRequest
from application.commands.session_queue import PendingCommand, QueueLimits, SessionQueue
from application.errors import Busy, VersionConflict
from application.fan_out import FanOut
from application.patience import SharedPatience, Waited, waited
from application.ports.log.append import Append
from domain.scope.rules import PatchScope
from domain.session.commands import AddMessage, CreateSession
from infrastructure.memory.store import MemoryStore
from tests.support.builders import OWNER, SESSION_ID, text
from tests.support.in_memory_app import lone_handler
from tests.support.stand_ins import StandIn

LIMITS = QueueLimits(commands=5, bytes=100, together=3, together_bytes=60)


def ask(number: int = 0, size: int = 10) -> Request:
    command = AddMessage(message_id=f"m{number}", role="user", parts=text())
    return Request(SESSION_ID, command, "user:ada", size=size)


async def pending(size: int = 10) -> PendingCommand:
    return PendingCommand(ask(size=size), asyncio.get_running_loop().create_future())


async def test_only_so_many_bytes_wait_but_one_however_large():
    queue = SessionQueue(LIMITS)
    queue.add(await pending(5000))
    with pytest.raises(Busy):
        queue.add(await pending(1))
    assert len(queue.take()) == 1
    for _ in range(2):
        queue.add(await pending(50))
    with pytest.raises(Busy):
        queue.add(await pending(1))


async def test_only_so_many_commands_wait_and_go_together():
    queue = SessionQueue(LIMITS)
    for _ in range(5):
        queue.add(await pending())
    with pytest.raises(Busy):
        queue.add(await pending())

    assert [len(queue.take()) for _ in range(3)] == [3, 2, 0]
    for size in (30, 30, 30):
        queue.add(await pending(size))
    assert [len(queue.take()) for _ in range(2)] == [2, 1]


class Stuck(StandIn):
    """A log that does not write before it is let."""

    def __init__(self, log: Any) -> None:
        super().__init__(log)
        self.open, self.begun = asyncio.Event(), asyncio.Event()
        self.waited, self.shared = list[float](), list[float]()

    async def append(self, append: Append) -> int:
        self.waited.append(append.waited)
        self.shared.append(waited())
        self.begun.set()
        await self.open.wait()
        position: int = await self.before.append(append)
        return position


async def test_nobody_waits_for_a_session_longer_than_the_patience():
    store = MemoryStore()
    handler = lone_handler(store, waiting=QueueLimits(patience=0.05, together=2))
    await handler.handle(Request(SESSION_ID, CreateSession(owner=OWNER), "user:ada"))
    stuck = Stuck(store.log)
    first = asyncio.create_task(handler.handle(ask(1)))
    await stuck.begun.wait()

    late = await asyncio.gather(
        *(handler.handle(ask(n)) for n in (2, 3, 4)), return_exceptions=True
    )

    assert [type(one) for one in late] == [Busy] * 3
    stuck.open.set()
    assert isinstance(await first, Outcome)
    # What was given up is not written later; what comes now is.
    assert isinstance(await handler.handle(ask(5)), Outcome)
    stored = await store.log.read(SESSION_ID, limit=10)
    assert [event.sequence for event in stored] == [1, 2, 3]


async def test_what_a_command_has_waited_counts_for_its_append(monkeypatch: pytest.MonkeyPatch):
    ahead = 0.0
    loop = asyncio.get_running_loop()
    time_of_loop = loop.time
    monkeypatch.setattr(loop, "time", lambda: time_of_loop() + ahead)
    store = MemoryStore()
    handler = lone_handler(store)
    await handler.handle(Request(SESSION_ID, CreateSession(owner=OWNER), "user:ada"))
    stuck = Stuck(store.log)
    both = [asyncio.create_task(handler.handle(ask(n))) for n in (1, 2)]
    await stuck.begun.wait()
    ahead = 1.0
    stuck.open.set()
    await asyncio.gather(*both)

    assert stuck.waited[1] >= 1.0


async def test_what_its_request_has_waited_before_counts_in_the_queue():
    store = MemoryStore()
    handler = lone_handler(store, waiting=QueueLimits(patience=60.0))
    await handler.handle(Request(SESSION_ID, CreateSession(owner=OWNER), "user:ada"))
    stuck = Stuck(store.log)
    first = asyncio.create_task(handler.handle(ask(1)))
    await stuck.begun.wait()

    with SharedPatience(Waited(60.0)), pytest.raises(Busy):
        await handler.handle(ask(2))

    stuck.open.set()
    await first


async def test_who_waits_in_the_queue_has_a_patience_of_its_own():
    """Those who are served later are not served in what is left to whoever was served before."""
    store = MemoryStore()
    handler = lone_handler(store)
    await handler.handle(Request(SESSION_ID, CreateSession(owner=OWNER), "user:ada"))
    stuck = Stuck(store.log)

    async def asked(number: int, seconds: float) -> Outcome:
        with SharedPatience(Waited(seconds)):
            return await handler.handle(ask(number))

    first = asyncio.create_task(asked(1, 4.0))
    await stuck.begun.wait()
    others = [asyncio.create_task(asked(*one)) for one in ((2, 3.0), (3, 1.0), (4, 2.0))]
    await asyncio.sleep(0)
    stuck.open.set()
    await asyncio.gather(first, *others)

    # That of the youngest; whoever has waited longer hears by an alarm.
    assert stuck.shared[0] == 4.0
    assert 1.0 <= stuck.shared[1] < 2.0
    assert stuck.waited[1] >= 3.0


async def test_who_has_waited_for_too_long_when_an_append_conflicts_is_not_written_later(
    monkeypatch: pytest.MonkeyPatch,
):
    store = MemoryStore()
    handler = lone_handler(store, waiting=QueueLimits(patience=0.05))
    await handler.handle(Request(SESSION_ID, CreateSession(owner=OWNER), "user:ada"))
    stuck = Stuck(store.log)
    first = asyncio.create_task(handler.handle(ask(1)))
    await stuck.begun.wait()
    second = asyncio.create_task(handler.handle(ask(2)))
    await asyncio.sleep(0)
    alarm = asyncio.get_running_loop().call_later
    rung = asyncio.Event()

    async def conflicts_late(_: Append) -> int:
        alarm(0.1, rung.set)
        await rung.wait()
        monkeypatch.setattr(store.log, "append", writes)
        raise VersionConflict

    writes = store.log.append
    monkeypatch.setattr(store.log, "append", conflicts_late)
    stuck.open.set()
    await first
    with pytest.raises(Busy):
        await second
    assert rung.is_set()
    assert len(await store.log.read(SESSION_ID, limit=10)) == 2


async def test_a_patch_of_a_scope_waits_no_longer_than_the_patience_for_another():
    store = MemoryStore()
    stuck = Stuck(store.log)
    handler = scope_handler_over(store, FanOut(), patience=0.05)

    def patch(key: str) -> ScopeRequest:
        return ScopeRequest(PatchScope(app="a", user=None, set={key: 1}), "user:ada")

    first = asyncio.create_task(handler.handle(patch("app:one")))
    await stuck.begun.wait()
    with pytest.raises(Busy):
        await handler.handle(patch("app:two"))
    patient = scope_handler_over(store, FanOut(), patience=60.0)
    patient.turns._locks = handler.turns._locks
    with SharedPatience(Waited(60.0)), pytest.raises(Busy):
        await patient.handle(patch("app:three"))
    stuck.open.set()
    assert isinstance(await first, Outcome)
