"""What goes on for the holder of a token ends with the token, whatever form it has."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from typing import Any
from uuid import uuid4

import pytest

from api.services import Services
from api.v1.routes.operator import operations
from application.ports.readiness import Trouble
from tests.support.postgres import Server
from tests.support.processes import in_this_process
from tests.support.sse import Connection, eventually

MEBIBYTE = 1024 * 1024


class Leaked:
    """A server with one session, and what the holder of a leaked token does there."""

    def __init__(self, port: int, services: Services, made: Any, session_id: str) -> None:
        self.port = port
        self.services = services
        self.made = made
        self.session_id = session_id

    @property
    def header(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.made['token']}"}

    async def revoke(self) -> None:
        """Take the token away as soon as an answer to it goes on."""
        await eventually(lambda: bool(self.services.readers.open), "an answer goes on")
        path = f"/v1/tokens/{self.made['id']}"
        with closing(Connection(self.port)) as asking:
            answer = await asking.request("DELETE", path, None, self.header)
        assert answer.status == 200, answer
        await eventually(lambda: not self.services.readers.open, "nothing goes on")


@asynccontextmanager
async def leaking(postgres_server: Server) -> AsyncGenerator[Leaked]:
    with postgres_server.database() as url:
        async with in_this_process(database_url=url) as (port, services):
            session_id = str(uuid4())
            parts = [{"type": "text", "text": "x" * 900_000}]
            said = {"role": "user", "parts": parts}
            allow = {"allow": ["admin", "audit", "read", "stream"]}
            with closing(Connection(port)) as asking:
                body = {"id": session_id, "app": "a", "user": "u"}
                await asking.request("POST", "/v1/sessions", body)
                for _ in range(12):
                    await asking.request("POST", f"/v1/sessions/{session_id}/messages", said)
                made = (await asking.request("POST", "/v1/tokens", allow)).json
            yield Leaked(port, services, made, session_id)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/sessions/{}/events?since=now&wait=60s",
        "/v1/sessions/{}/status?wait=60s",
        "/v1/events?after=now&wait=60s",
    ],
)
async def test_a_long_poll_does_not_hand_over_what_came_after(postgres_server: Server, path: str):
    async with leaking(postgres_server) as leaked:
        with closing(Connection(leaked.port)) as waiting:
            await waiting.send("GET", path.format(leaked.session_id), None, leaked.header)
            async with asyncio.timeout(50):
                await leaked.revoke()
                answer = await waiting.receive()

    assert (answer.status, answer.json["code"]) == (401, "unauthorized")
    assert "no longer good" in answer.json["detail"]


async def test_an_export_is_broken_off(postgres_server: Server):
    async with leaking(postgres_server) as leaked:
        reader, writer = await asyncio.open_connection("127.0.0.1", leaked.port, limit=4096)
        head = f"GET /v1/sessions/{leaked.session_id}/export HTTP/1.1\r\nHost: localhost\r\n"
        with closing(writer):
            writer.write(
                (head + f"Authorization: {leaked.header['authorization']}\r\n\r\n").encode()
            )
            assert (await reader.readline()).split()[1] == b"200"
            await leaked.revoke()
            came = 0
            while piece := await reader.read(MEBIBYTE):
                came += len(piece)
        await writer.wait_closed()

    assert came < 12 * 900_000


async def test_who_waits_for_readiness_has_no_token_to_lose(
    postgres_server: Server, monkeypatch: pytest.MonkeyPatch
):
    asked, is_ready = asyncio.Event(), asyncio.Event()

    async def troubles_within(*_: object) -> list[Trouble]:
        asked.set()
        await is_ready.wait()
        return []

    monkeypatch.setattr(operations, "_troubles_within", troubles_within)
    async with leaking(postgres_server) as leaked:
        with closing(Connection(leaked.port)) as waiting:
            await waiting.send("GET", "/ready?wait=60s")
            async with asyncio.timeout(50):
                await asked.wait()
                leaked.services.readers.end_revoked(lambda _: False)
                is_ready.set()
                answer = await waiting.receive()

    assert answer.status == 200
