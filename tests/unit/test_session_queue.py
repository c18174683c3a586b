"""What waits for one session has bounds, in number, in bytes and in time."""

import asyncio
from typing import Any

import pytest

from application.commands.decide_batch import PendingCommand
from application.commands.request import Outcome, Request, ScopeRequest
from application.commands.scope_handler import ScopeHandler
from application.commands.session_queue import QueueLimits, SessionQueue
from application.errors import Busy
from application.fan_out import FanOut
from application.ports.log.event_log import Append
from domain.scope.rules import PatchScope
from domain.session.commands import AddMessage, CreateSession
from infrastructure.memory.store import MemoryStore
from tests.support.builders import OWNER, SESSION_ID, text
from tests.support.in_memory_app import handler_over

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


class Stuck:
    """A log that does not write before it is let."""

    def __init__(self, log: Any) -> None:
        self._log = log
        self.open, self.begun = asyncio.Event(), asyncio.Event()
        self.waited = list[float]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    async def append(self, append: Append) -> int:
        self.waited.append(append.waited)
        self.begun.set()
        await self.open.wait()
        position: int = await self._log.append(append)
        return position


async def test_nobody_waits_for_a_session_longer_than_the_patience():
    store = MemoryStore()
    handler = handler_over(store, waiting=QueueLimits(patience=0.05, together=2))
    await handler.handle(Request(SESSION_ID, CreateSession(owner=OWNER), "user:ada"))
    stuck = Stuck(store.log)
    object.__setattr__(store, "log", stuck)
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
    handler = handler_over(store)
    await handler.handle(Request(SESSION_ID, CreateSession(owner=OWNER), "user:ada"))
    stuck = Stuck(store.log)
    object.__setattr__(store, "log", stuck)
    both = [asyncio.create_task(handler.handle(ask(n))) for n in (1, 2)]
    await stuck.begun.wait()
    ahead = 1.0
    stuck.open.set()
    await asyncio.gather(*both)

    assert stuck.waited[1] >= 1.0


async def test_a_patch_of_a_scope_waits_no_longer_than_the_patience_for_another():
    store = MemoryStore()
    stuck = Stuck(store.log)
    object.__setattr__(store, "log", stuck)
    handler = ScopeHandler(store, FanOut(), patience=0.05)

    def patch(key: str) -> ScopeRequest:
        return ScopeRequest(PatchScope(app="a", user=None, set={key: 1}), "user:ada")

    first = asyncio.create_task(handler.handle(patch("app:one")))
    await stuck.begun.wait()
    with pytest.raises(Busy):
        await handler.handle(patch("app:two"))
    stuck.open.set()
    assert isinstance(await first, Outcome)
