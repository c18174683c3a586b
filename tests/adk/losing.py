"""Between a client and a server: loses answers to requests that the server has done."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from tests.support.listening import stop_listening


class Losing:
    """Passes bytes on, and drops the connection in place of an answer when told to.

    Args:
        server: The base URL of the server behind it.
    """

    def __init__(self, server: str) -> None:
        told = urlsplit(server)
        self._host, self._port = told.hostname, told.port
        self._tasks = set[asyncio.Task[None]]()
        self.left = 0
        """How many answers are still to be lost."""
        self.lost = 0

    @asynccontextmanager
    async def serve(self) -> AsyncGenerator[str]:
        """Take connections while the context lasts, and give where: host and port."""
        listening = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        try:
            yield f"127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        finally:
            await stop_listening(listening)
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._pass_on(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, to_there = await asyncio.open_connection(self._host, self._port)
        asked = asyncio.create_task(_copy(reader, to_there))
        try:
            while data := await there.read(2**16):
                if self.left > 0:
                    self.left -= 1
                    self.lost += 1
                    break
                writer.write(data)
                await writer.drain()
        finally:
            asked.cancel()
            to_there.close()
            writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(2**16):
        writer.write(data)
        await writer.drain()
