"""A long poll is given up when its reader leaves or may not read any longer."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from api.http.outgoing.giving import Readers
from api.http.outgoing.long_polls import while_there
from api.http.outgoing.problems import Problem

HOUR = 3600.0


class Asking:
    """Somebody who waits, and may leave."""

    def __init__(self) -> None:
        share: Any = None
        self.readers = Readers(share)
        self.has_left, self.listening = asyncio.Event(), 0
        self.scope = {
            "cairn": SimpleNamespace(readers=self.readers),
            "cairn_principal": "whoever",
        }
        self.begun, self.given_up = asyncio.Event(), False
        self.answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def receive(self) -> dict[str, Any]:
        self.listening += 1
        try:
            await self.has_left.wait()
        finally:
            self.listening -= 1
        return {"type": "http.disconnect"}

    async def waiting(self) -> str:
        self.begun.set()
        try:
            return await self.answer
        except asyncio.CancelledError:
            self.given_up = True
            raise

    async def poll(self, seconds: float = HOUR) -> str:
        request: Any = self
        return await while_there(request, seconds, self.waiting())


@pytest.fixture
async def asking() -> Asking:
    return Asking()


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_what_is_found_is_answered_and_nobody_is_watched_any_more(asking: Asking) -> None:
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        poll = group.create_task(asking.poll())
        await settled()
        assert (asking.listening, len(asking.readers.open)) == (1, 1)
        asking.answer.set_result("found")
    await settled()
    assert (poll.result(), asking.listening, len(asking.readers.open)) == ("found", 0, 0)


async def test_who_leaves_is_waited_for_no_longer(asking: Asking) -> None:
    async with asyncio.timeout(60):
        poll = asyncio.create_task(asking.poll())
        await asking.begun.wait()
        asking.has_left.set()
        with pytest.raises(Problem, match="connection ended"):
            await poll
    await settled()
    assert (asking.given_up, len(asking.readers.open)) == (True, 0)


@pytest.mark.parametrize("is_found", [True, False])
async def test_what_is_found_is_not_handed_over_once_the_token_is_revoked(
    asking: Asking, is_found: bool
) -> None:
    async with asyncio.timeout(60):
        poll = asyncio.create_task(asking.poll())
        await asking.begun.wait()
        await settled()
        if is_found:
            asking.answer.set_result("secret")
            # It is found, and whoever polls has not heard of it yet.
            await asyncio.sleep(0)
        asking.readers.end_revoked(lambda _: False)
        with pytest.raises(Problem, match="no longer good"):
            await poll
    await settled()
    assert (asking.listening, len(asking.readers.open)) == (0, 0)


async def test_a_poll_that_is_ended_from_outside_leaves_nothing_behind(asking: Asking) -> None:
    async with asyncio.timeout(60):
        poll = asyncio.create_task(asking.poll())
        await asking.begun.wait()
        poll.cancel()
        with pytest.raises(asyncio.CancelledError):
            await poll
    await settled()
    assert (asking.given_up, asking.listening, len(asking.readers.open)) == (True, 0, 0)


async def test_who_does_not_wait_is_not_watched(asking: Asking) -> None:
    asking.answer.set_result("found")
    assert await asking.poll(0.0) == "found"
    assert asking.listening == 0
