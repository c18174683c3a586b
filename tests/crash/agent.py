"""An agent that goes on while a busy machine keeps the database from answering in time."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from tests.faults.checks.commands import NOT_DONE, UNSETTLED
from tests.streams.agent import Agent
from tests.support.sse import PATIENCE, connected

_AGAIN = NOT_DONE | UNSETTLED


class Persistent(Agent):
    """Asks again, under the same key, as clients do whom a server has told to come again.

    The servers of these tests have a patience of two seconds, and a busy machine needs longer.
    """

    async def do(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Send a request until it is done, and return the body of its answer."""
        if method != "GET":
            headers = {"idempotency_key": str(uuid4())} | headers
        async with asyncio.timeout(PATIENCE):
            while True:
                answer = await self.ask(method, path, body, **headers)
                if answer.code not in _AGAIN:
                    break
                await asyncio.sleep(0.05)
        assert answer.is_accepted, f"{method} {path}: {answer.status} {answer.body!r}"
        return answer.json


@asynccontextmanager
async def agents(*ports: Callable[[], int] | int) -> AsyncIterator[list[Agent]]:
    """Lend an agent for each port."""
    async with connected(*ports) as connections:
        yield [Persistent(connection) for connection in connections]
