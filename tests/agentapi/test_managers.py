"""Session managers that are slow, break off, or answer what nobody can use."""

import asyncio
import socket
import socketserver
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from threading import Thread

import pytest

from application.ports.managers.session_managers import ManagerUnreachable
from application.ports.managers.session_routes import SessionRoute
from application.use_cases.managers.forwarded_lists import Asked, ForwardedLists
from application.use_cases.managers.forwarded_sessions import (
    ForwardedSessions,
    ManagerRefused,
    Wanted,
)
from infrastructure.clock import SystemClock
from infrastructure.memory.managers.session_routes import MemorySessionRoutes
from infrastructure.outgoing import session_managers
from infrastructure.outgoing.session_managers import HttpSessionManagers, Manager

ADA = Wanted("m", "a", "ada", "user", None)
Serve = Callable[[socket.socket], None]


@asynccontextmanager
async def manager(serve: Serve) -> AsyncGenerator[HttpSessionManagers]:
    """Serve in threads: what is left open in the loop is of the client, which is under test."""

    class Answer(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline().strip():
                pass
            serve(self.connection)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Answer) as server:
        server.daemon_threads = False
        url = f"http://127.0.0.1:{server.server_address[1]}"
        there = [Manager("m", url, b"s", default=True)]
        managers = HttpSessionManagers(lambda: there, SystemClock())
        serving = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        try:
            yield managers
        finally:
            await managers.close()
            await asyncio.to_thread(server.shutdown)
            # Its threads end because the other side has hung up.
            await asyncio.to_thread(server.server_close)
            serving.join()


def said(status: int, body: bytes, more: str = "") -> Serve:
    def serve(connection: socket.socket) -> None:
        head = (
            f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{more}\r\n"
        )
        connection.sendall(head.encode() + body)

    return serve


async def sees_all(managers: HttpSessionManagers) -> tuple[list[str], dict[str, str]]:
    routes = MemorySessionRoutes()
    found = await ForwardedLists(managers, routes).list(Asked({}, None, 100, _everything))
    return [one.info["id"] for one in found.sessions], dict(found.unreachable)


def _everything(_: SessionRoute) -> bool:
    return True


async def test_one_that_says_nothing_is_left_in_time():
    def silent(connection: socket.socket) -> None:
        connection.settimeout(60)
        connection.recv(1)  # until the other side hangs up

    async with manager(silent) as managers:
        with pytest.raises(ManagerUnreachable, match="timeout"):
            await managers.ask("m", "GET", "/", seconds=0.1)


async def test_one_that_breaks_off_is_not_taken_for_one_that_ends():
    def broken(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")

    async with manager(broken) as managers:
        with pytest.raises(ManagerUnreachable, match="connection-lost"):
            await managers.ask("m", "GET", "/", seconds=10)
        answer = await managers.open("m", "GET", "/", b"", ())
        with pytest.raises(ManagerUnreachable):
            [chunk async for chunk in answer.chunks]
        await answer.close()


@pytest.mark.parametrize(
    ("status", "body", "wanted"),
    [
        (200, b'{"session_id":"x"}', 502),
        (201, b"no json", 502),
        (201, b"[1]", 502),
        (201, b'{"session_id":"../../v1/tokens"}', 502),
        (201, b'{"session_id":""}', 502),
        (201, b'{"session_id":5}', 502),
        (301, b"", 502),
        (400, b'{"message":"invalid request body: it is wrong"}', 400),
        (500, b'{"message":"token=s3cr3t is wrong"}', 502),
    ],
)
async def test_an_answer_that_is_no_session_begins_none(status: int, body: bytes, wanted: int):
    async with manager(said(status, body)) as managers:
        forwarded = ForwardedSessions(managers, MemorySessionRoutes(), SystemClock())
        with pytest.raises(ManagerRefused) as refused:
            await forwarded.create(ADA, b"{}")
    assert refused.value.status == wanted
    assert "s3cr3t" not in refused.value.message


@pytest.mark.parametrize(
    ("status", "body"),
    [(500, b"{}"), (200, b"x"), (200, b'{"sessions":null}'), (302, b""), (200, b"[" * 100_000)],
)
async def test_a_list_that_cannot_be_read_is_said_to_be_missing(status: int, body: bytes):
    async with manager(said(status, body)) as managers:
        assert await sees_all(managers) == ([], {"m": f"status-{status}"})


async def test_one_that_sends_somewhere_else_is_not_followed():
    """It would be given what was signed."""
    asked: list[str] = []

    def moved(connection: socket.socket) -> None:
        asked.append("once")
        said(307, b"", "Location: /elsewhere\r\n")(connection)

    async with manager(moved) as managers:
        assert (await managers.ask("m", "GET", "/", seconds=10)).status == 307
    assert asked == ["once"]


async def test_an_answer_that_is_too_large_is_left(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(session_managers, "_MOST_BYTES", 100)
    for size, reason in ((100, None), (101, "too-large")):
        async with manager(said(200, b"x" * size)) as managers:
            if reason is None:
                assert len((await managers.ask("m", "GET", "/", seconds=10)).body) == size
                continue
            with pytest.raises(ManagerUnreachable, match=reason):
                await managers.ask("m", "GET", "/", seconds=10)


async def test_what_others_began_there_is_not_shown():
    listed = b'{"sessions":[{"id":"x","user_id":"a","status":"active","created_at":"t"},5,{}]}'
    async with manager(said(200, listed)) as managers:
        assert await sees_all(managers) == ([], {})
