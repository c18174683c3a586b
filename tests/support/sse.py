"""HTTP/1.1 by hand: requests over one connection, and event streams, of which nothing is hidden."""

import asyncio
import json
import socket
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

PATIENCE = 60.0
"""Seconds after which a test has waited long enough for anything."""


class Lost(ConnectionError):
    """The connection ended before the answer did."""


class Ended(Exception):
    """The stream has ended, whole."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Its body."""
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The stable word of a problem; empty for any other answer."""
        is_problem = self.headers.get("content-type", "").startswith("application/problem+json")
        return str(self.json["code"]) if is_problem else ""

    @property
    def is_accepted(self) -> bool:
        """Whether a command was done."""
        return 200 <= self.status < 300


class _Wire:
    """Reads heads and bodies off one socket."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader

    async def head(self) -> tuple[int, dict[str, str]]:
        lines = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines[1:] if line)
        return int(lines[0].split()[1]), {n.lower(): value.strip() for n, _, value in pairs}

    async def body(self, headers: Mapping[str, str]) -> bytes:
        if headers.get("transfer-encoding") != "chunked":
            return await self._reader.readexactly(int(headers.get("content-length", "0")))
        chunks: list[bytes] = []
        while chunk := await self.chunk():
            chunks.append(chunk)
        return b"".join(chunks)

    async def chunk(self) -> bytes:
        """Return one chunk of a body; the empty one is the last."""
        size = int(await self._reader.readuntil(b"\r\n"), 16)
        return (await self._reader.readexactly(size + 2))[:-2]


def _request(method: str, path: str, body: Any, headers: Mapping[str, str]) -> bytes:
    content = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "host: localhost", f"content-length: {len(content)}"]
    if content:
        lines.append("content-type: application/json")
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + content


class Connection:
    """One connection, made at the first request and made again after it was lost.

    Args:
        port: Of the server; asked each time, because a server that is started again has another.
    """

    def __init__(self, port: Callable[[], int] | int) -> None:
        self._port = port if callable(port) else lambda: port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._wire: _Wire | None = None

    @property
    def is_open(self) -> bool:
        """Whether the next request goes over the connection that there is."""
        return self._reader is not None and not self._reader.at_eof()

    async def send(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> None:
        """Send a request and leave its answer on the wire."""
        if not self.is_open:
            # It was idle for too long.
            self.close()
        if self._writer is None:
            connected = await asyncio.open_connection("127.0.0.1", self._port())
            self._reader, self._writer = connected
            self._wire = _Wire(self._reader)
        self._writer.write(_request(method, path, body, headers or {}))
        await self._writer.drain()

    async def receive(self) -> Answer:
        """Read the answer to what was sent."""
        assert self._wire is not None
        status, headers = await self._wire.head()
        return Answer(status, headers, await self._wire.body(headers))

    async def request(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send a request and read its answer.

        Raises:
            Lost: There is none, or only a part.
        """
        try:
            await self.send(method, path, body, headers)
            answer = await self.receive()
        except (OSError, asyncio.IncompleteReadError) as lost:
            self.close()
            raise Lost(str(lost)) from lost
        except asyncio.CancelledError:
            self.close()
            raise
        if answer.headers.get("connection") == "close":
            self.close()
        return answer

    def close(self) -> None:
        """Hang up."""
        if self._writer is not None:
            self._writer.transport.abort()
        self._reader = self._writer = self._wire = None


@asynccontextmanager
async def connected(*ports: Callable[[], int] | int) -> AsyncIterator[list[Connection]]:
    """Lend a connection to each port."""
    connections = [Connection(port) for port in ports]
    try:
        yield connections
    finally:
        for connection in connections:
            connection.close()


@dataclass(frozen=True, slots=True)
class Frame:
    """One event of a stream, as it was sent.

    Args:
        id: What a reader resumes on.
        event: Its name.
        data: What it carries.
        retry: How long a reader shall wait before it connects again.
    """

    id: int | None
    event: str
    data: str
    retry: int | None = None

    @property
    def json(self) -> Any:
        """What it carries."""
        return json.loads(self.data)

    @property
    def is_stored(self) -> bool:
        """Whether it is an event of the log, and not one of the stream's own."""
        return self.event not in OWN and self.event != ""


OWN = frozenset(
    ("caught-up", "ping", "partial", "session.closed", "stream.closing", "error", "reset")
)


def _frame(text: str) -> Frame:
    fields: dict[str, str] = {}
    for line in text.split("\n"):
        name, _, value = line.partition(": ")
        assert name in ("id", "event", "data", "retry"), f"a line of no stream: {line!r}"
        assert name not in fields, f"two lines of {name} in one frame: {text!r}"
        fields[name] = value
    return Frame(
        int(fields["id"]) if "id" in fields else None,
        fields.get("event", ""),
        fields.get("data", ""),
        int(fields["retry"]) if "retry" in fields else None,
    )


class Stream:
    """An open event stream.

    Args:
        reader: Behind the head of the answer.
        writer: To hang up with.
        headers: Of the answer.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        headers: Mapping[str, str],
    ) -> None:
        self._wire = _Wire(reader)
        self._writer = writer
        self.headers = headers
        self._text = b""
        self._frames: deque[Frame] = deque()

    async def next(self, within: float = PATIENCE) -> Frame:
        """Return the next frame.

        Raises:
            Ended: The server has ended the stream as it should.
            Lost: The connection broke.
        """
        async with asyncio.timeout(within):
            while not self._frames:
                try:
                    chunk = await self._wire.chunk()
                except (OSError, asyncio.IncompleteReadError) as lost:
                    raise Lost(str(lost)) from lost
                if not chunk:
                    assert self._text == b"", "the stream ended within a frame"
                    raise Ended
                self._text += chunk
                *whole, self._text = self._text.split(b"\n\n")
                self._frames += [_frame(text.decode()) for text in whole]
        return self._frames.popleft()

    async def until(self, *names: str, within: float = PATIENCE) -> list[Frame]:
        """Return the frames up to and with the first that has one of these names."""
        frames: list[Frame] = []
        async with asyncio.timeout(within):
            while not frames or frames[-1].event not in names:
                frames.append(await self.next(within))
        return frames

    async def rest(self, within: float = PATIENCE) -> list[Frame]:
        """Return all frames up to the end of the stream."""
        frames: list[Frame] = []
        async with asyncio.timeout(within):
            while True:
                try:
                    frames.append(await self.next(within))
                except Ended:
                    return frames

    async def stored(self, count: int, within: float = PATIENCE) -> list[Frame]:
        """Return the next events of the log, passing over what is not one."""
        frames: list[Frame] = []
        async with asyncio.timeout(within):
            while len(frames) < count:
                frame = await self.next(within)
                assert frame.event not in ("error", "stream.closing"), frame
                if frame.is_stored:
                    frames.append(frame)
        return frames

    def close(self) -> None:
        """Hang up at once, without a goodbye."""
        self._writer.transport.abort()


async def open_stream(
    port: int,
    path: str,
    *,
    last_event_id: int | str | None = None,
    receive_buffer: int | None = None,
    limit: int = 2**16,
) -> Stream:
    """Open an event stream.

    Args:
        port: Of the server.
        path: With its query.
        last_event_id: What a browser sends when it connects again.
        receive_buffer: Bytes that the kernel takes for a reader who does not read.
        limit: Bytes that this process takes.

    Raises:
        AssertionError: The answer is no stream.
        Lost: There is no answer.
    """
    headers = {"accept": "text/event-stream"}
    if last_event_id is not None:
        headers["last-event-id"] = str(last_event_id)
    plug = socket.socket()
    plug.setblocking(False)
    if receive_buffer is not None:
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    try:
        await asyncio.get_running_loop().sock_connect(plug, ("127.0.0.1", port))
        reader, writer = await asyncio.open_connection(sock=plug, limit=limit)
    except BaseException as lost:
        plug.close()
        if isinstance(lost, OSError):
            raise Lost(str(lost)) from lost
        raise
    try:
        writer.write(_request("GET", path, None, headers))
        status, got = await _Wire(reader).head()
        if status != 200:
            raise AssertionError(f"{status}: {await _Wire(reader).body(got)!r}")
        return Stream(reader, writer, got)
    except (OSError, asyncio.IncompleteReadError) as lost:
        writer.transport.abort()
        raise Lost(str(lost)) from lost
    except BaseException:
        writer.transport.abort()
        raise


@asynccontextmanager
async def streaming(
    port: int, path: str, *, last_event_id: int | str | None = None
) -> AsyncIterator[Stream]:
    """Lend an open stream."""
    stream = await open_stream(port, path, last_event_id=last_event_id)
    try:
        yield stream
    finally:
        stream.close()


async def eventually(condition: Callable[[], Any], what: str, within: float = PATIENCE) -> Any:
    """Return what a condition returns once that is true.

    Args:
        condition: Asked again and again; may be a coroutine function.
        what: For the failure.
        within: Seconds.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within
    while True:
        found = condition()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return found
        if loop.time() > deadline:
            raise AssertionError(f"not within {within} s: {what}")
        await asyncio.sleep(0.01)
