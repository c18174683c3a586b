"""Between a program and its Postgres: loses connections at the worst moments, when told to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from psycopg.conninfo import conninfo_to_dict

from tests.support.listening import stop_listening

Moment = Literal["request", "answer"]


class Proxy:
    """Passes bytes on, and counts what it lost.

    Args:
        url: The server behind it.
        directory: Where its own socket is.
        victims: Part of the application name of the connections that may be lost.
    """

    def __init__(self, url: str, directory: Path, victims: bytes) -> None:
        self._server = conninfo_to_dict(url)
        self._directory = directory
        self._victims = victims
        self._tasks = set[asyncio.Task[None]]()
        self._links = set[_Link]()
        self._lose: Moment | None = None
        self._thawed: asyncio.Event | None = None
        self.lost: dict[Moment, int] = {"request": 0, "answer": 0}
        user, name = str(self._server["user"]), self._server["dbname"]
        password = self._server.get("password")
        who = quote(user) + (f":{quote(str(password))}" if password else "")
        self.url = f"postgresql://{who}@/{name}?host={quote(str(directory), safe='')}&port=5432"

    def lose(self, moment: Moment) -> None:
        """Lose the next append: before the server has it, or when it has been done."""
        self._lose = moment

    def freeze(self) -> None:
        """Pass nothing on over the connections that there are now, and do not say so either."""
        self._thawed = asyncio.Event()
        for link in self._links:
            link.thawed = self._thawed

    def thaw(self) -> None:
        """Pass on what was held back."""
        if self._thawed is not None:
            self._thawed.set()

    @asynccontextmanager
    async def serve(self) -> AsyncIterator["Proxy"]:
        """Take connections while the context lasts."""
        await self.come_back()
        try:
            yield self
        finally:
            await self.go_away()

    async def come_back(self) -> None:
        """Take connections from now on."""
        path = self._directory / ".s.PGSQL.5432"
        path.unlink(missing_ok=True)
        self._listening = await asyncio.start_unix_server(self._connected, str(path))

    async def go_away(self) -> None:
        """Lose all connections and take no more."""
        await stop_listening(self._listening)
        await self.drop_all()
        await self._listening.wait_closed()

    async def drop_all(self) -> None:
        """Lose all connections; what the server was asked, it may still do."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _connected(
        self, client_in: asyncio.StreamReader, client_out: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        host, port = str(self._server.get("host", "localhost")), self._server.get("port", 5432)
        if host.startswith("/"):
            server_in, server_out = await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        else:
            server_in, server_out = await asyncio.open_connection(host, int(str(port)))
        link = _Link(self, client_in, client_out, server_in, server_out)
        self._links.add(link)
        try:
            await link.run()
        finally:
            self._links.discard(link)
            for out in (client_out, server_out):
                out.close()

    def is_victim(self, startup: bytes) -> bool:
        return self._victims in startup

    def strike(self, moment: Moment) -> bool:
        if self._lose != moment:
            return False
        self._lose = None
        self.lost[moment] += 1
        return True


class _Link:
    def __init__(
        self,
        proxy: Proxy,
        client_in: asyncio.StreamReader,
        client_out: asyncio.StreamWriter,
        server_in: asyncio.StreamReader,
        server_out: asyncio.StreamWriter,
    ) -> None:
        self._proxy = proxy
        self._client = client_in, client_out
        self._server = server_in, server_out
        self._is_victim = False
        self._asked = 0
        self.thawed: asyncio.Event | None = None

    async def run(self) -> None:
        """Pass bytes both ways until either side, or the proxy, has had enough."""
        there = asyncio.create_task(self._there())
        back = asyncio.create_task(self._back())
        try:
            await asyncio.wait([there, back], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (there, back):
                task.cancel()
            await asyncio.gather(there, back, return_exceptions=True)

    async def _there(self) -> None:
        while data := await self._client[0].read(1 << 20):
            self._is_victim = self._is_victim or self._proxy.is_victim(data[:300])
            # What is smaller is no append, but a setting or a question.
            self._asked = len(data) if self._is_victim and len(data) > 400 else 0
            if self._asked and self._proxy.strike("request"):
                return
            if self.thawed is not None:
                await self.thawed.wait()
            self._server[1].write(data)
            await self._server[1].drain()

    async def _back(self) -> None:
        while data := await self._server[0].read(1 << 20):
            # An answer to an append ends with 'ready', and an error does not begin like this.
            if self._asked and data[:1] != b"E" and self._proxy.strike("answer"):
                return
            if self.thawed is not None:
                await self.thawed.wait()
            self._client[1].write(data)
            await self._client[1].drain()
