"""What a request had is let go of when it was answered, and its connection's part with its end.

The collector comes seldom (`api/garbage.py`): what is in a reference cycle stays for hundreds of
requests, each with its body.
"""

import asyncio
import gc
import weakref
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from api.cli.serving.connection import Connection
from api.cli.serving.connection_guard import ConnectionGuard, ConnectionLimits
from api.http.around.middleware import RequestMiddleware
from tests.support.own_logs import own_records

_ASKED = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody"


class _Kept:
    """Stands for what a request has in memory."""


async def _nothing(scope: Any, receive: Any, send: Any) -> None:
    """Is no program."""


async def test_nothing_of_a_request_waits_for_the_collector_when_its_connection_has_ended() -> None:
    seen: list[weakref.ref[_Kept]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["kept"] = _Kept()
        seen.append(weakref.ref(scope["kept"]))
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})

    config = uvicorn.Config(app, lifespan="off", log_config=None)
    config.load()
    state = ServerState()

    def made() -> Connection:
        return Connection(ConnectionGuard(), config=config, server_state=state, app_state={})

    loop = asyncio.get_running_loop()
    gc.collect()
    gc.disable()
    try:
        async with await loop.create_server(made, "127.0.0.1", 0) as server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(_ASKED)
            assert b"200" in await reader.readline()
            assert state.connections
            writer.close()
            async with asyncio.timeout(60):
                while state.connections or seen[0]() is not None:  # noqa: ASYNC110 - as long as it takes
                    await asyncio.sleep(0)
    finally:
        gc.enable()


async def test_a_body_is_let_go_of_with_its_answer_though_the_connection_stays() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["cairn_body"] = b"a long one"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        """Take it."""

    scope: Any = {
        "type": "http", "method": "GET", "path": "/", "raw_path": b"/", "query_string": b"",
        "headers": [],
    }  # fmt: skip
    await RequestMiddleware(app, lifespan=_nothing, access_log=False)(scope, receive, send)

    assert "cairn_body" not in scope


async def test_a_request_that_its_connection_has_answered_is_logged_with_that_status(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["more_body"]
        connection.end_late()
        assert await receive() == {"type": "http.disconnect"}
        await send({"type": "http.response.start", "status": 400, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    middleware = RequestMiddleware(app, lifespan=_nothing, access_log=True)
    config = uvicorn.Config(middleware, lifespan="off", log_config=None)
    config.load()
    state = ServerState()
    connection = Connection(ConnectionGuard(), config=config, server_state=state, app_state={})
    loop = asyncio.get_running_loop()
    caplog.set_level("INFO", "cairn.http")
    async with await loop.create_server(lambda: connection, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(_ASKED[:-2])
        assert b"408" in await reader.readline()
        async with asyncio.timeout(60):
            while not own_records(caplog):  # noqa: ASYNC110 - as long as it takes
                await asyncio.sleep(0)
        writer.close()
    assert [one.fields["status"] for one in own_records(caplog)] == [408]  # type: ignore[attr-defined]


async def test_a_connection_that_is_kept_for_nothing_is_closed_without_a_word() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        head = [(b"content-length", b"4")]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": b"done"})

    config = uvicorn.Config(app, lifespan="off", log_config=None)
    config.load()
    guard = ConnectionGuard(ConnectionLimits(idle_seconds=5))
    connection = Connection(guard, config=config, server_state=ServerState(), app_state={})
    loop = asyncio.get_running_loop()
    async with await loop.create_server(lambda: connection, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        assert not connection.is_late(loop.time() + 6)  # a head has ten seconds
        writer.write(_ASKED)
        answer = await reader.readuntil(b"done")
        assert answer == b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone"
        assert not connection.is_late(loop.time() + 1)
        assert connection.is_late(loop.time() + 6)
        writer.write(b"P")
        async with asyncio.timeout(60):
            while connection.is_late(loop.time() + 6):  # noqa: ASYNC110 - as long as it takes
                await asyncio.sleep(0)
        writer.write(_ASKED[1:])
        await reader.readuntil(b"done")
        assert connection.is_late(loop.time() + 6)
        connection.end_late()
        assert await reader.read() == b""
        writer.close()


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ([(b"content-length", b"4"), (b"location", b"/a\r\nset-cookie: a=b")], b"done"),
        ([(b"content-length", b"4"), (b"location", b"/\x7f")], b"done"),
        ([(b"content-length", b"5")], b"done"),
    ],
)
async def test_an_answer_that_is_no_http_is_never_sent(
    headers: list[tuple[bytes, bytes]], body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    config = uvicorn.Config(app, lifespan="off", log_config=None)
    config.load()
    connection = Connection(
        ConnectionGuard(), config=config, server_state=ServerState(), app_state={}
    )
    loop = asyncio.get_running_loop()
    async with await loop.create_server(lambda: connection, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(_ASKED)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 500 ")
        assert b"set-cookie" not in head
        assert await reader.read() == b"Internal Server Error"
        writer.close()
