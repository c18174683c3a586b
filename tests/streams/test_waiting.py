"""Long polls: an answer as soon as there is something, else an empty one, never an error."""

import asyncio
import time
from typing import Any, Self

import pytest

from tests.streams.agent import Agent, said
from tests.support.processes import Cairn
from tests.support.sse import Connection, eventually

BOTH = pytest.mark.parametrize("writer", [0, 1], ids=["this process", "another process"])
SOON = 10.0
"""Seconds within which an answer comes that does not wait for its time to be up, which is 30."""


class Waiting:
    """A request whose answer is yet to come."""

    def __init__(self, port: int, path: str, **headers: str) -> None:
        self._connection = Connection(port)
        self._path = path
        self._headers = headers
        self._answer: asyncio.Task[Any] | None = None

    async def __aenter__(self) -> Self:
        await self._connection.send("GET", self._path, headers=self._headers)
        self._answer = asyncio.create_task(self._receive())
        return self

    async def _receive(self) -> tuple[Any, float]:
        answer = await self._connection.receive()
        assert answer.status == 200, answer
        return answer.json, time.monotonic()

    async def answer(self) -> tuple[Any, float]:
        """Return the body, and when it came."""
        assert self._answer is not None
        async with asyncio.timeout(20):
            return await self._answer

    async def __aexit__(self, *_: object) -> None:
        self._connection.close()
        if self._answer is not None:
            self._answer.cancel()
            await asyncio.gather(self._answer, return_exceptions=True)


def events_of(session: str, query: str) -> str:
    return f"/v1/sessions/{session}/events?{query}"


@BOTH
async def test_a_long_poll_is_answered_as_soon_as_there_is_an_event(
    pair: list[Cairn], agent: Agent, other: Agent, writer: int
):
    session = await agent.session()

    async with Waiting(pair[0].port, events_of(session, "since=1&wait=30s")) as waiting:
        await (agent, other)[writer].message(session)
        written = time.monotonic()
        page, came = await waiting.answer()

    assert [event["sequence"] for event in page["events"]] == [2]
    assert (page["next"], page["head"], page["up_to_date"], page["closed"]) == (2, 2, True, False)
    assert came - written < SOON


async def test_a_long_poll_with_something_to_say_does_not_wait(agent: Agent):
    session = await agent.session()
    began = time.monotonic()

    page = await agent.do("GET", events_of(session, "since=0&wait=30s"))

    assert len(page["events"]) == 1
    assert time.monotonic() - began < SOON


@pytest.mark.parametrize("since", ["1", "now"])
async def test_a_long_poll_of_a_quiet_session_ends_as_an_empty_page(agent: Agent, since: str):
    session = await agent.session()
    began = time.monotonic()

    page = await agent.do("GET", events_of(session, f"since={since}&wait=300ms"))

    assert page == {"events": [], "next": 1, "head": 1, "up_to_date": True, "closed": False}
    assert 0.25 < time.monotonic() - began < 0.3 + SOON


async def test_a_long_poll_goes_on_waiting_past_what_its_filter_hides(
    pair: list[Cairn], agent: Agent, other: Agent
):
    session, turn = await agent.busy_session()
    path = events_of(session, "since=2&types=agent.message&wait=30s")

    async with Waiting(pair[0].port, path) as waiting:
        await other.messages(session, 3)
        await agent.record(session, turn, said("hm", "agent.thought"))
        await other.record(session, turn, said("at last"))
        page, _ = await waiting.answer()

    assert [event["sequence"] for event in page["events"]] == [7]
    assert page["next"] == 7


async def test_an_empty_page_under_a_filter_moves_the_cursor_past_what_it_hides(agent: Agent):
    session = await agent.session()
    await agent.messages(session, 3)

    page = await agent.do("GET", events_of(session, "since=0&types=agent.message&wait=200ms"))

    assert (page["events"], page["next"], page["up_to_date"]) == ([], 4, True)


@BOTH
async def test_a_long_poll_hears_of_the_deletion(
    pair: list[Cairn], agent: Agent, other: Agent, writer: int
):
    session = await agent.session()

    async with Waiting(pair[0].port, events_of(session, "since=1&wait=30s")) as waiting:
        await (agent, other)[writer].do("DELETE", f"/v1/sessions/{session}")
        page, _ = await waiting.answer()

    assert [event["type"] for event in page["events"]] == ["session.deleted"]
    assert page["closed"] is True
    began = time.monotonic()
    page = await agent.do("GET", events_of(session, "since=2&wait=30s"))
    assert (page["events"], page["closed"]) == ([], True)
    assert time.monotonic() - began < SOON


@BOTH
async def test_the_feed_is_waited_for_in_the_same_way(
    pair: list[Cairn], agent: Agent, other: Agent, writer: int
):
    session = await agent.session()

    async with Waiting(pair[0].port, "/v1/events?after=now&wait=30s&limit=1") as waiting:
        # Until it waits, its `now` may be after the next event.
        answered: list[Any] = []
        while not answered:
            await (agent, other)[writer].message(session)
            done, _ = await asyncio.wait({asyncio.ensure_future(waiting.answer())}, timeout=0.3)
            answered = [task.result() for task in done]
    ((page, _),) = answered

    assert [event["session_id"] for event in page["events"]] == [session]
    assert page["next"] == page["events"][0]["position"]
    quiet = await agent.do("GET", "/v1/events?after=now&wait=200ms")
    assert quiet["events"] == []
    assert (quiet["next"], quiet["up_to_date"]) == (quiet["head"], True)


@BOTH
async def test_the_status_is_answered_when_it_changes(
    pair: list[Cairn], agent: Agent, other: Agent, writer: int
):
    session = await agent.session()
    before = await agent.do("GET", f"/v1/sessions/{session}/status")

    # From where it looked: the request may come to the server after the turn.
    seen = {"if-none-match": f'"{before["sequence"]}"'}
    path = f"/v1/sessions/{session}/status?wait=30s"
    async with Waiting(pair[0].port, path, **seen) as waiting:
        await (agent, other)[writer].turn(session)
        written = time.monotonic()
        after, came = await waiting.answer()

    assert (before["status"], after["status"]) == ("idle", "running")
    assert came - written < SOON


async def test_the_status_that_stays_is_answered_when_time_is_up(agent: Agent):
    session = await agent.session()
    began = time.monotonic()

    after = await agent.do("GET", f"/v1/sessions/{session}/status?wait=300ms")

    assert after["status"] == "idle"
    assert 0.25 < time.monotonic() - began < 0.3 + SOON


@BOTH
@pytest.mark.parametrize(
    ("aim", "path", "body"),
    [("attached", "attach", {"holder": "cli:1"}), ("stopped", "stop", {})],
)
async def test_whoever_waits_for_a_session_is_told_whichever_process_it_comes_from(
    pair: list[Cairn], agent: Agent, other: Agent, writer: int, aim: str, path: str, body: Any
):
    session = await agent.session()

    async with Waiting(pair[0].port, f"/v1/sessions/{session}/wait?for={aim}&wait=30s") as waiting:
        await (agent, other)[writer].message(session)
        await (agent, other)[writer].do("POST", f"/v1/sessions/{session}/{path}", body)
        written = time.monotonic()
        waited, came = await waiting.answer()

    assert (waited["for"], waited["met"]) == (aim, True)
    # The row of a lease is there a moment before its event.
    assert waited["sequence"] == 3 or (aim, waited["sequence"]) == ("attached", 2)
    assert came - written < SOON


async def test_many_wait_for_one_event(pair: list[Cairn], agent: Agent):
    session = await agent.session()
    connections = [Connection(pair[i % 2].port) for i in range(60)]
    try:
        for connection in connections:
            await connection.send("GET", events_of(session, "since=1&wait=30s"))
        await agent.message(session)
        async with asyncio.timeout(10):
            answers = [await connection.receive() for connection in connections]
    finally:
        for connection in connections:
            connection.close()

    assert [[e["sequence"] for e in answer.json["events"]] for answer in answers] == [[2]] * 60


async def refusals_of(agent: Agent, route: str) -> float:
    """Return how many requests by GET to a route were given up, or refused as malformed."""
    text = (await agent.ask("GET", "/metrics")).body.decode()
    counted = f'cairn_http_requests_total{{method="GET",route="{route}",status="400"}} '
    return next((float(line[len(counted) :]) for line in text.splitlines() if counted in line), 0)


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/v1/sessions/{session_id}/events", "since=now"),
        ("/v1/sessions/{session_id}/status", ""),
        ("/v1/sessions/{session_id}/wait", "for=stopped"),
        ("/v1/events", "after=now&agent=nobody"),
    ],
)
async def test_a_long_poll_ends_when_its_client_leaves(
    pair: list[Cairn], agent: Agent, path: str, query: str
):
    before = await refusals_of(agent, path)
    session = await agent.session()
    at = path.replace("{session_id}", session)

    async with Waiting(pair[0].port, f"{at}?{query}&wait=30s"):
        pass

    async def is_given_up() -> bool:
        return await refusals_of(agent, path) == before + 1

    await eventually(is_given_up, "the wait is given up")
