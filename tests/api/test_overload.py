"""At the limit of the memory the newest work is refused, and who takes nothing is cut off."""

import asyncio
import socket
from collections.abc import Callable
from time import monotonic
from typing import Any

import httpx
import pytest

from api.http.outgoing import giving
from application.memory_budget import EXPORT_BYTES, MEBIBYTE, MemoryBudget
from tests.support.processes import in_this_process

PATIENCE = 60.0
LARGE = 250_000


def overloaded(answer: httpx.Response, share: str) -> None:
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["share"]) == (503, "overloaded", share)
    assert int(answer.headers["retry-after"]) >= 1


def message(size: int) -> dict[str, Any]:
    return {"role": "user", "parts": [{"type": "text", "text": "x" * size}]}


async def until(holds: Callable[[], bool]) -> None:
    deadline = monotonic() + PATIENCE
    while not holds():
        assert monotonic() < deadline, "it does not come to be"
        await asyncio.sleep(0.01)


async def test_what_does_not_fit_is_refused_with_503_and_stores_nothing(database_url: str) -> None:
    async with (
        in_this_process(database_url=database_url) as (port, services),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as http,
    ):
        made = await http.post("/v1/sessions", json={"app": "a", "user": "u"})
        path = f"/v1/sessions/{made.json()['session']['id']}"
        requests, appends, of_streams = map(
            services.memory.share, ("requests", "appends", "streams")
        )
        limits = requests.limit, appends.limit, of_streams.limit

        requests.limit = 2000
        overloaded(await http.post(f"{path}/messages", json=message(1000)), "requests")
        assert (await http.post(f"{path}/messages", json=message(1))).status_code == 201
        requests.limit, appends.limit = limits[0], 1000
        overloaded(await http.post(f"{path}/messages", json=message(1000)), "appends")
        appends.limit, of_streams.limit = limits[1], -1
        sse = {"accept": "text/event-stream"}
        overloaded(await http.get(f"{path}/events", headers=sse), "streams")
        lines = {"accept": "application/jsonl"}
        overloaded(await http.get("/v1/audit/events", headers=lines), "streams")
        overloaded(await http.get(f"{path}/snapshot"), "streams")
        # Whatever it is of, an answer that is large counts.
        assert (await http.get("/schema/openapi.json")).status_code == 503
        of_streams.limit = limits[2]
        # An export holds pages of its next logs, before anybody has to take one.
        exports = services.memory.share("exports")
        with exports.held(exports.limit):
            overloaded(await http.get(f"{path}/export"), "exports")
            overloaded(await http.post("/v1/sessions/batch/export", json={}), "exports")
            # Whoever only reads does not wait for those that export.
            assert (await http.get(f"{path}/snapshot")).status_code == 200
        assert (await http.get(f"{path}/export")).status_code == 200
        assert (await http.post("/v1/sessions/batch/export", json={})).status_code == 200
        assert exports.used == 0

        page = (await http.get(f"{path}/events")).json()
        assert [event["type"] for event in page["events"]] == ["session.created", "message.added"]
        assert (requests.used, appends.used, of_streams.used) == (0, 0, 0)


def test_the_shares_come_to_the_budget_and_the_smallest_has_room_for_an_export() -> None:
    room = sum(share.limit for share in MemoryBudget(1024 * MEBIBYTE).shares())
    assert 0.99 < room / (1024 - 96) / MEBIBYTE <= 1
    assert MemoryBudget(128 * MEBIBYTE).share("exports").limit == EXPORT_BYTES


async def test_the_state_that_a_stream_goes_on_with_counts_while_it_lasts(
    database_url: str,
) -> None:
    """Of the docker-agent door, whose streams fold what they tell."""
    values = {f"key-{number}": "x" * 10_000 for number in range(20)}
    weight = 4 * sum(map(len, values.values()))
    async with (
        in_this_process(database_url=database_url, doors="docker-agent") as (port, services),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as http,
    ):
        made = await http.post("/v1/sessions", json={"app": "a", "user": "u", "state": values})
        name = made.json()["session"]["id"]
        await http.post(f"/v1/sessions/{name}/messages", json=message(1))
        share = services.memory.share("streams")
        for cursor in (0, 1):
            async with http.stream(
                "GET", f"/api/sessions/{name}/events", params={"since": cursor}
            ) as answer:
                assert answer.status_code == 200
                await until(lambda: share.used >= weight)
                assert share.used < 4 * weight
            await until(lambda: share.used == 0)

        share.limit = -1
        refused = await http.get(f"/api/sessions/{name}/events", params={"since": 1})
        assert refused.status_code == 503


async def test_a_reader_that_stands_still_is_cut_off_when_others_need_the_memory(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(giving, "_STALLED", 0.0)
    async with (
        in_this_process(database_url=database_url) as (port, services),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as http,
    ):
        made = await http.post("/v1/sessions", json={"app": "a", "user": "u"})
        path = f"/v1/sessions/{made.json()['session']['id']}"
        # More than the buffers of both sockets take.
        for _ in range(48):
            assert (await http.post(f"{path}/messages", json=message(LARGE))).status_code == 201
        share = services.memory.share("streams")
        with socket.socket() as stalled:
            stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            stalled.connect(("127.0.0.1", port))
            stalled.sendall(
                b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"
            )
            await until(lambda: share.used > 0)
            mark = share.used, monotonic()

            def stands_still() -> bool:
                nonlocal mark
                waiting = [one.waits_since for one in services.readers.waiting]
                since = waiting[0] if waiting else None
                if since is None or since > mark[1]:
                    mark = share.used, monotonic()
                return monotonic() - mark[1] > 0.5

            await until(stands_still)
            share.limit = share.used

            events = 0
            async with http.stream("GET", path + "/events?since=40", headers={
                "accept": "text/event-stream"
            }) as other:  # fmt: skip
                async for line in other.aiter_lines():
                    events += line.startswith("event: message.added")
                    if line == "event: caught-up":
                        break

            assert events == 9
            await until(lambda: share.used == 0)
            stalled.setblocking(False)
            received = b""
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(PATIENCE):
                while chunk := await loop.sock_recv(stalled, 1 << 20):
                    received = received[-100:] + chunk
            # It was hung up on in the middle, so that it knows to come again.
            assert not received.endswith(b"0\r\n\r\n")
