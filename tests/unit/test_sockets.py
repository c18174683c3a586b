"""What is asked on a connection, and outlives whoever asked."""

import asyncio
import gc
from typing import Any

import pytest

from infrastructure.postgres.connecting import sockets


class _Closed:
    """Stands for a connection whose socket is gone."""

    @property
    def pgconn(self) -> Any:
        raise OSError


async def test_an_error_that_comes_when_nobody_waits_any_more_is_heard(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sockets, "_LET_GO_WITHIN", 0)
    unheard: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unheard.append(context))
    has_begun, may_fail = asyncio.Event(), asyncio.Event()

    async def ask() -> None:
        has_begun.set()
        await may_fail.wait()
        raise OSError("the socket was shut down")

    connection: Any = _Closed()
    asking = asyncio.create_task(ask())
    waiting = asyncio.create_task(sockets.within(connection, 60, asking))
    await has_begun.wait()
    waiting.cancel()
    await asyncio.wait((waiting,))
    assert waiting.cancelled()
    may_fail.set()
    await asyncio.wait((asking,))
    # One whose error nobody has taken says so when it is forgotten.
    del asking, waiting
    gc.collect()
    assert unheard == []


async def test_an_error_that_comes_as_the_caller_leaves_is_heard() -> None:
    unheard: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unheard.append(context))
    may_fail, callers = asyncio.Event(), list[asyncio.Task[None]]()

    async def ask() -> None:
        await may_fail.wait()
        callers.pop().cancel()
        raise OSError("the socket was shut down")

    connection: Any = _Closed()
    asking = asyncio.create_task(ask())
    waiting = asyncio.create_task(sockets.within(connection, 60, asking))
    callers.append(waiting)
    await asyncio.sleep(0)
    may_fail.set()
    await asyncio.wait((waiting, asking))
    assert waiting.cancelled()
    del asking, waiting
    gc.collect()
    assert unheard == []
