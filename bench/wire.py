"""The smallest HTTP/1.1 client that will do, so that the client costs as little as can be.

One connection carries one request at a time. Answers may have a length or be chunked. Streams of
server-sent events are only searched for markers; nothing is decoded while the clock runs.
"""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any, NamedTuple, Self, cast

import msgspec

HOST = "127.0.0.1"
WORKER_HEADER = "x-cairn-worker"
MARKER = re.compile(rb"mark-(\d+)!")
_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:\s*chunked", re.IGNORECASE)
_LONGEST_MARKER = 24


@dataclass(frozen=True, slots=True)
class Request:
    """One request, in the terms that every load generator understands."""

    method: str
    path: str
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()

    def render(self) -> bytes:
        """The bytes on the wire."""
        lines = [f"{self.method} {self.path} HTTP/1.1", f"Host: {HOST}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        if self.body:
            lines += ["Content-Type: application/json", f"Content-Length: {len(self.body)}"]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + self.body


def get(path: str, **headers: str) -> Request:
    """A GET; underscores in header names become hyphens."""
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Request("GET", path, headers=named)


def post(path: str, body: object) -> Request:
    """A POST of JSON."""
    return Request("POST", path, msgspec.json.encode(body))


def patch(path: str, body: object) -> Request:
    """A PATCH of JSON."""
    return Request("PATCH", path, msgspec.json.encode(body))


class Response(NamedTuple):
    """An answer, its head and body as they came."""

    status: int
    head: bytes
    body: bytes

    def header(self, name: str) -> str | None:
        """One header's value."""
        found = re.search(rb"\r\n" + name.encode() + rb":\s*([^\r]*)", self.head, re.IGNORECASE)
        return found[1].decode().strip() if found else None

    def json(self) -> Any:
        """The body, decoded."""
        return msgspec.json.decode(self.body)

    def expect(self, *statuses: int) -> Self:
        """Itself, or an error that shows what the server said instead."""
        if self.status not in statuses:
            said = self.body[:300].decode(errors="replace")
            raise UnexpectedAnswer(f"HTTP {self.status}: {said}")
        return self


class UnexpectedAnswer(RuntimeError):
    """The server answered something that the measure cannot go on with."""


class Client(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._needed = 0
        self._answer: asyncio.Future[Response] | None = None
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def connect(cls, port: int) -> Self:
        """Open a connection to a server on this machine."""
        loop = asyncio.get_running_loop()
        _, client = await loop.create_connection(cls, HOST, port)
        return client

    async def send(self, request: Request | bytes) -> Response:
        """Send one request and wait for its answer."""
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError("the connection is closed")
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request if isinstance(request, bytes) else request.render())
        return await self._answer

    def close(self) -> None:
        """Close the connection; what is under way is lost."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast: the transports of uvloop are not instances of the abstract class.
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError("closed by the server"))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) < self._needed:
            return
        parsed = _parse(self._buffer)
        if isinstance(parsed, int):
            self._needed = parsed
            return
        response, end = parsed
        del self._buffer[:end]
        self._needed = 0
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(response)


def _parse(buffer: bytearray) -> tuple[Response, int] | int:
    """The answer at the start of the buffer and its end, or how many bytes are needed at least."""
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        return 0
    head, at = bytes(buffer[:end]), end + 4
    status = int(head[9:12])
    if status in {204, 304}:
        return Response(status, head, b""), at
    if length := _LENGTH.search(head):
        stop = at + int(length[1])
        if len(buffer) < stop:
            return stop
        return Response(status, head, bytes(buffer[at:stop])), stop
    if not _CHUNKED.search(head):
        raise UnexpectedAnswer("an answer without length")
    chunks: list[bytearray] = []
    while (line := buffer.find(b"\r\n", at)) >= 0:
        size = int(buffer[at:line].partition(b";")[0], 16)
        at = line + 2
        if len(buffer) < at + size + 2:
            return at + size + 2
        if size == 0:
            return Response(status, head, b"".join(chunks)), at + 2
        chunks.append(buffer[at : at + size])
        at += size + 2
    return 0


class Stream(asyncio.Protocol):
    """One subscriber. Calls `seen(stream, number, time)` for each `mark-<number>!` that arrives."""

    def __init__(
        self, request: Request, topic: str, seen: Callable[["Stream", int, float], None]
    ) -> None:
        self.topic = topic
        self.worker: str | None = None
        self.caught_up = False
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._request = request
        self._seen = seen
        self._rest = b""
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def open(
        cls, port: int, request: Request, topic: str, seen: Callable[["Stream", int, float], None]
    ) -> Self:
        """Subscribe, and wait until the server has answered with its head."""
        loop = asyncio.get_running_loop()
        _, stream = await loop.create_connection(lambda: cls(request, topic, seen), HOST, port)
        await stream.opened
        return stream

    def close(self) -> None:
        """Unsubscribe."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast: the transports of uvloop are not instances of the abstract class.
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._request.render())

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_exception(exc or ConnectionResetError("closed by the server"))

    def data_received(self, data: bytes) -> None:
        now = perf_counter()
        data = self._rest + data
        if not self.opened.done():
            head, separator, data = data.partition(b"\r\n\r\n")
            if not separator:
                self._rest = head
                return
            response = Response(int(head[9:12]), head, data)
            if response.status != 200:
                said = f"stream: HTTP {response.status} {data[:300]!r}"
                self.opened.set_exception(UnexpectedAnswer(said))
                return
            self.worker = response.header(WORKER_HEADER)
            self.opened.set_result(None)
        self.caught_up = self.caught_up or b"caught-up" in data
        read = 0
        for mark in MARKER.finditer(data):
            self._seen(self, int(mark[1]), now)
            read = mark.end()
        self._rest = data[max(read, len(data) - _LONGEST_MARKER) :]
