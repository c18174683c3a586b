"""Somebody who is told by webhooks: a small HTTP server that keeps what it gets.

What it makes of a signature is written here from the text of Standard Webhooks, without our code.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from tests.support.listening import stop_listening

PATIENCE = 60.0


@dataclass
class Message:
    """One delivery."""

    path: str
    headers: dict[str, str]
    body: bytes
    connection: int

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found

    @property
    def positions(self) -> list[int]:
        return [event["position"] for event in self.json["events"]]

    def is_signed_with(self, secret: str) -> bool:
        """Whether a signature is the one that Standard Webhooks asks for."""
        scheme, _, key = secret.partition("_")
        assert scheme == "whsec"
        said = f"{self.id}.{self.headers['webhook-timestamp']}.".encode() + self.body
        wanted = hmac.new(base64.b64decode(key, validate=True), said, hashlib.sha256).digest()
        signature = f"v1,{base64.b64encode(wanted).decode()}"
        return signature in self.headers["webhook-signature"].split(" ")


@dataclass
class Answer:
    """What it says to a delivery.

    Args:
        status: The HTTP status.
        headers: Besides those that must be.
        gate: Opened before it answers.
        body: Of the answer.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    gate: asyncio.Event | None = None
    body: bytes = b""


class Receiver:
    """Answers 200 unless told otherwise.

    `answers` are used up one by one; `always` is what comes after them.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.messages: list[Message] = []
        self.received: list[Message] = []
        self.answers: list[Answer] = []
        self.always = Answer()
        self.port = 0
        self.connections = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._news = asyncio.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def arrived(self) -> int:
        """How many have come, answered or not."""
        return len(self.received)

    @property
    def accepted(self) -> list[Message]:
        """Those that were answered with 2xx."""
        return [one for one in self.messages if 200 <= int(one.headers["_status"]) < 300]

    @property
    def positions(self) -> list[int]:
        """Of all events that were accepted, in the order in which they came."""
        return [position for one in self.accepted for position in one.positions]

    async def open(self) -> None:
        """Listen, on the same port as before."""
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self.port, ssl=self._tls
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Refuse connections from now on."""
        assert self._server is not None
        await stop_listening(self._server)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something is so, looking after each message."""
        async with asyncio.timeout(PATIENCE):
            while not holds():
                self._news.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await self._news.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.connections += 1
        number = self.connections
        try:
            while message := await _read(reader, number):
                self.received.append(message)
                self._news.set()
                answer = self.answers.pop(0) if self.answers else self.always
                if answer.gate is not None:
                    await answer.gate.wait()
                message.headers["_status"] = str(answer.status)
                self.messages.append(message)
                self._news.set()
                headers = {"content-length": str(len(answer.body)), **answer.headers}
                lines = [f"HTTP/1.1 {answer.status} X", *(f"{k}: {v}" for k, v in headers.items())]
                writer.write("\r\n".join([*lines, "", ""]).encode() + answer.body)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


async def _read(reader: asyncio.StreamReader, connection: int) -> Message | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.strip().split("\r\n")
    method, path, _ = first.split()
    assert method == "POST"
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    body = await reader.readexactly(int(headers["content-length"]))
    return Message(path, headers, body, connection)


@asynccontextmanager
async def receiving(tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """Receive in the loop of the test."""
    receiver = Receiver(tls)
    await receiver.open()
    try:
        yield receiver
    finally:
        await receiver.close()


@contextmanager
def receiving_in_a_thread() -> Iterator[Receiver]:
    """Receive in a loop of its own, for tests that have none."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    receiver = Receiver()
    asyncio.run_coroutine_threadsafe(receiver.open(), loop).result(PATIENCE)
    try:
        yield receiver
    finally:
        asyncio.run_coroutine_threadsafe(receiver.close(), loop).result(PATIENCE)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE)
        loop.close()
