"""A small TCP relay between two parties, whose connections can go silent, slow, or be lost."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Literal

from tests.support.listening import stop_listening

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Silent = Literal["those there are", "all"]

_CHUNK = 1 << 16


class Relay:
    """Takes connections on a port of loopback, and passes bytes on to somebody else.

    Args:
        reach: Opens a connection to who is behind it.
    """

    def __init__(self, reach: Callable[[], Awaitable[Streams]]) -> None:
        self._reach = reach
        self._links: dict[asyncio.Task[None], _Link] = {}
        self._open = asyncio.Event()
        self._open.set()
        self.delay = 0.0
        """Seconds that every chunk is held back."""
        self.port = 0

    @asynccontextmanager
    async def serve(self) -> AsyncIterator["Relay"]:
        """Take connections while the context lasts."""
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            await stop_listening(server)
            await self.drop()
            await server.wait_closed()

    def freeze(self, silent: Silent) -> Callable[[], None]:
        """Pass nothing on, without a word; return what passes on what was held back.

        Args:
            silent: Whether connections made from now on are silent too.
        """
        thawed = asyncio.Event()
        for link in self._links.values():
            link.thawed = thawed
        if silent == "all":
            self._open = thawed
        return thawed.set

    async def drop(self) -> int:
        """Lose all connections, and return how many there were."""
        tasks = list(self._links)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return len(tasks)

    async def _connected(self, *client: object) -> None:
        reader, writer = client
        assert isinstance(reader, asyncio.StreamReader)
        assert isinstance(writer, asyncio.StreamWriter)
        task = asyncio.current_task()
        assert task is not None
        link = self._links[task] = _Link(self, self._open)
        try:
            await link.run((reader, writer), self._reach)
        except (OSError, asyncio.CancelledError):
            pass  # one side has gone, or the relay was told to lose it
        finally:
            self._links.pop(task, None)
            writer.transport.abort()


class _Link:
    def __init__(self, relay: Relay, thawed: asyncio.Event) -> None:
        self._relay = relay
        self.thawed = thawed

    async def run(self, client: Streams, reach: Callable[[], Awaitable[Streams]]) -> None:
        await self.thawed.wait()
        server = await reach()
        try:
            ways = [
                asyncio.create_task(self._pass_on(client[0], server[1])),
                asyncio.create_task(self._pass_on(server[0], client[1])),
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        finally:
            server[1].transport.abort()

    async def _pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(_CHUNK):
            if self._relay.delay:
                await asyncio.sleep(self._relay.delay)
            await self.thawed.wait()
            sink.write(data)
            await sink.drain()
