"""The least that each answer can cost here: apps that do the one indispensable thing and no more.

`asgi` is a bare application without framework: POST /noop, /insert/<topic> (one INSERT) and
/publish/<topic> (one INSERT, then fan-out to GET /stream/<topic>); GET /page, /all, /unchanged and
/list are one SELECT each, the stored JSON joined as it is. `litestar` is a framework that validates
one POST with pydantic and stores nothing. Run by uvicorn; `FLOOR_DSN` names the database.
"""

import asyncio
import os
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any, LiteralString

import msgspec
from litestar import Litestar, get, post
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Pool = AsyncConnectionPool[AsyncConnection[tuple[Any, ...]]]

_POOL_SIZE = 16
_WORKERS = int(os.environ.get("FLOOR_WORKERS", "1"))
_PID = str(os.getpid()).encode()
_INSERT: LiteralString = "INSERT INTO ev (sid, body) VALUES (%s, %s) RETURNING id"
_PAGE: LiteralString = "SELECT body FROM log WHERE sid = %s AND seq > %s ORDER BY seq LIMIT %s"
_ALL: LiteralString = "SELECT body FROM log WHERE sid = %s ORDER BY seq"
_HEAD: LiteralString = "SELECT seq FROM head WHERE sid = %s"
_LIST: LiteralString = "SELECT doc FROM sess WHERE usr = %s ORDER BY updated DESC LIMIT 50"


class _Part(msgspec.Struct):
    type: str
    text: str


class _Message(msgspec.Struct):
    role: str
    parts: list[_Part]


class Floor:
    """The pool, the open streams, and one coroutine for each route."""

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder(_Message).decode
        self._streams: defaultdict[str, set[asyncio.Queue[bytes]]] = defaultdict(set)
        self._tasks: set[asyncio.Task[None]] = set()
        self._pool: Pool

    async def open(self) -> None:
        """Connect, and with several workers listen to what the others publish."""
        dsn = os.environ["FLOOR_DSN"]
        self._pool = AsyncConnectionPool(
            dsn, min_size=_POOL_SIZE, max_size=_POOL_SIZE, open=False, kwargs={"autocommit": True}
        )
        await self._pool.open(wait=True)
        if _WORKERS > 1:
            listening = await AsyncConnection.connect(dsn, autocommit=True)
            await listening.execute("LISTEN floor")
            self._spawn(self._relay(listening))

    async def close(self) -> None:
        """Disconnect."""
        for task in self._tasks:
            task.cancel()
        await self._pool.close()

    async def answer(self, method: str, parts: list[str], body: bytes) -> tuple[int, bytes]:
        """The status and body for a request."""
        match method, parts:
            case "POST", ["noop", *_]:
                self._decode(body)
                return 201, b'{"sequence":1}'
            case "POST", ["insert", topic]:
                self._decode(body)
                row = await self._one(_INSERT, topic, body.decode())
                return 201, b'{"sequence":%d}' % row
            case "POST", ["publish", topic]:
                self._decode(body)
                row = await self._one(_INSERT, topic, body.decode())
                self._fan_out(topic, body)
                if _WORKERS > 1:
                    self._spawn(self._notify(topic, body))
                return 201, b'{"sequence":%d}' % row
            case "GET", ["page", topic, after, limit]:
                return 200, await self._joined(_PAGE, topic, int(after), int(limit))
            case "GET", ["all", topic]:
                return 200, await self._joined(_ALL, topic)
            case "GET", ["list", user]:
                return 200, await self._joined(_LIST, user)
            case "GET", ["unchanged", topic]:
                await self._one(_HEAD, topic)
                return 304, b""
            case "GET", ["ready"]:
                return 200, b"{}"
            case _:
                return 404, b"{}"

    async def stream(self, topic: str, receive: Receive, send: Send) -> None:
        """Hand over what is published until the client goes away."""
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        self._streams[topic].add(queue)

        async def leave() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            queue.put_nowait(b"")

        self._spawn(leave())
        headers = [(b"content-type", b"text/event-stream"), (b"x-cairn-worker", _PID)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        queue.put_nowait(b"event: caught-up\ndata: {}\n\n")
        while frame := await queue.get():
            await send({"type": "http.response.body", "body": frame, "more_body": True})
        self._streams[topic].discard(queue)

    async def _one(self, statement: LiteralString, *values: object) -> int:
        async with self._pool.connection() as connection:
            row = await (await connection.execute(statement, values)).fetchone()
        return int(row[0]) if row else 0

    async def _joined(self, statement: LiteralString, *values: object) -> bytes:
        async with self._pool.connection() as connection:
            rows = await (await connection.execute(statement, values)).fetchall()
        return ('{"events":[' + ",".join([row[0] for row in rows]) + "]}").encode()

    def _fan_out(self, topic: str, body: bytes) -> None:
        frame = b"event: message.added\ndata: " + body + b"\n\n"
        for queue in self._streams[topic]:
            queue.put_nowait(frame)

    async def _notify(self, topic: str, body: bytes) -> None:
        async with self._pool.connection() as connection:
            payload = b" ".join((_PID, topic.encode(), body)).decode()
            await connection.execute("SELECT pg_notify('floor', %s)", [payload])

    async def _relay(self, connection: AsyncConnection[tuple[Any, ...]]) -> None:
        async for notice in connection.notifies():
            pid, topic, body = notice.payload.encode().split(b" ", 2)
            if pid != _PID:
                self._fan_out(topic.decode(), body)

    def _spawn(self, coroutine: Any) -> None:
        task = asyncio.ensure_future(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


_floor = Floor()


async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
    """The application without a framework."""
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
        return
    parts = scope["path"].strip("/").split("/")
    if parts[0] == "stream":
        await _floor.stream(parts[1], receive, send)
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    status, answer = await _floor.answer(scope["method"], parts, body)
    headers = [(b"content-type", b"application/json"), (b"x-cairn-worker", _PID)]
    if status != 304:
        headers.append((b"content-length", b"%d" % len(answer)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        match (await receive())["type"]:
            case "lifespan.startup":
                await _floor.open()
                await send({"type": "lifespan.startup.complete"})
            case _:
                await _floor.close()
                await send({"type": "lifespan.shutdown.complete"})
                return


class _PydanticPart(BaseModel, extra="forbid"):
    type: str
    text: str


class _PydanticMessage(BaseModel, extra="forbid"):
    role: str
    parts: list[_PydanticPart]


class _PydanticAnswer(BaseModel):
    sequence: int


@post("/noop/{topic:str}")
async def _noop(topic: str, data: _PydanticMessage) -> _PydanticAnswer:
    return _PydanticAnswer(sequence=len(data.parts))


@get("/ready")
async def _ready() -> dict[str, str]:
    return {}


litestar = Litestar([_noop, _ready], openapi_config=None, logging_config=None)
