"""What an event stream says, frame by frame."""

import asyncio
import json
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import psycopg
import pytest

from application.fan_out import FanOut
from application.reads.streams.stream_items import LOOK_AGAIN
from tests.streams.agent import Agent, agents, said
from tests.streams.conftest import PING_SECONDS
from tests.support.processes import Cairn, in_this_process, serving
from tests.support.sse import Connection, open_stream, streaming

LONGEST = 10.0
"""Seconds: less than the 15 between two pings by default, and more than a busy machine needs."""


def events_of(session: str, query: str = "") -> str:
    return f"/v1/sessions/{session}/events{query}"


async def test_the_backlog_comes_first_then_one_caught_up_then_what_happens(
    pair: list[Cairn], agent: Agent
):
    session = await agent.session()
    await agent.messages(session, 4)

    async with streaming(pair[0].port, events_of(session)) as stream:
        backlog = await stream.until("caught-up")
        await agent.messages(session, 3)
        live = await stream.stored(3)

    *stored, caught_up = backlog
    # Within the first frame: some clients hand on a frame without data as an empty event.
    assert [frame.retry for frame in backlog] == [2000, None, None, None, None, None]
    assert [frame.id for frame in stored] == [1, 2, 3, 4, 5]
    assert caught_up.id == 5
    assert caught_up.json["head"] == 5
    assert [frame.id for frame in live] == [6, 7, 8]
    assert stream.headers["content-type"].startswith("text/event-stream")
    assert stream.headers["cache-control"] == "no-cache"


async def test_frames_carry_the_very_records_of_the_page(pair: list[Cairn], agent: Agent):
    session = await agent.session()
    await agent.message(session, "ünïcode, a line\nbreak and \u2028 and \r too")

    async with streaming(pair[0].port, events_of(session)) as stream:
        await agent.message(session, "live")
        frames = await stream.stored(3)
    page = await agent.do("GET", events_of(session))

    assert [frame.json for frame in frames] == page["events"]
    assert [frame.event for frame in frames] == [event["type"] for event in page["events"]]


async def test_caught_up_comes_exactly_once(pair: list[Cairn], agent: Agent):
    session = await agent.session()

    async with streaming(pair[0].port, events_of(session)) as stream:
        frames = await stream.until("ping")
        for _ in range(3):
            await agent.message(session)
            frames += await stream.until("ping")

    assert [frame.event for frame in frames].count("caught-up") == 1
    assert [frame.id for frame in frames if frame.is_stored] == [1, 2, 3, 4]


async def test_a_replay_is_the_same_stream_and_goes_on_live(pair: list[Cairn], agent: Agent):
    session = await agent.session()
    await agent.messages(session, 3)

    async with streaming(pair[0].port, events_of(session, "?replay_speed=1e3&since=1")) as stream:
        *stored, caught_up = await stream.until("caught-up")
        await agent.message(session)
        live = await stream.stored(1)
    page = await agent.do("GET", events_of(session, "?since=1"))

    assert [frame.json for frame in (*stored, *live)] == page["events"]
    assert caught_up.id == 4


async def test_since_is_exclusive(pair: list[Cairn], agent: Agent):
    session = await agent.session()
    await agent.messages(session, 4)

    async with streaming(pair[0].port, events_of(session, "?since=3")) as stream:
        frames = await stream.until("caught-up")

    assert [frame.id for frame in frames if frame.is_stored] == [4, 5]


async def test_last_event_id_beats_since(pair: list[Cairn], agent: Agent):
    session = await agent.session()
    await agent.messages(session, 4)

    async with streaming(pair[0].port, events_of(session, "?since=1"), last_event_id=4) as stream:
        frames = await stream.until("caught-up")

    assert [frame.id for frame in frames if frame.is_stored] == [5]


async def test_since_now_begins_with_what_happens_next(pair: list[Cairn], agent: Agent):
    session = await agent.session()
    await agent.messages(session, 4)

    async with streaming(pair[0].port, events_of(session, "?since=now")) as stream:
        (caught_up,) = await stream.until("caught-up")
        await agent.message(session)
        (live,) = await stream.stored(1)

    assert (caught_up.id, live.id) == (5, 6)


async def test_last_begins_with_the_newest(pair: list[Cairn], agent: Agent):
    session = await agent.session()
    await agent.messages(session, 6)

    async with streaming(pair[0].port, events_of(session, "?last=2")) as stream:
        frames = await stream.until("caught-up")
        await agent.message(session)
        live = await stream.stored(1)

    assert [frame.id for frame in frames + live if frame.is_stored] == [6, 7, 8]


async def test_filters_keep_sequences_and_pings_move_the_cursor_past_what_they_hide(
    pair: list[Cairn], agent: Agent
):
    session, turn = await agent.busy_session()
    await agent.record(session, turn, said("a"), said("b", "agent.thought"), said("c"))

    async with streaming(
        pair[0].port, events_of(session, "?types=agent.message,turn.completed")
    ) as stream:
        backlog = await stream.until("caught-up")
        await agent.messages(session, 3)
        frames = await stream.until("ping")
        while frames[-1].id != 8:
            frames += await stream.until("ping")
        await agent.record(session, turn, said("d"))
        (live,) = await stream.stored(1)

    assert [frame.id for frame in backlog if frame.is_stored] == [3, 5]
    assert not any(frame.is_stored for frame in frames)
    assert frames[-1].json["head"] == 8
    assert (live.id, live.event) == (9, "agent.message")


async def test_a_reader_of_one_turn_gets_only_that_turn(pair: list[Cairn], agent: Agent):
    session, first = await agent.busy_session()
    await agent.record(session, first, said("a"))
    await agent.do("POST", f"/v1/sessions/{session}/turns/{first}/complete", {})
    second = await agent.turn(session)
    await agent.record(session, second, said("b"))

    async with streaming(pair[0].port, events_of(session, f"?turn={second}")) as stream:
        frames = await stream.until("caught-up")

    assert [frame.id for frame in frames if frame.is_stored] == [5, 6]


async def test_a_reader_of_one_agent_gets_only_what_that_did(pair: list[Cairn], agent: Agent):
    session, turn = await agent.busy_session()

    async def switch_to(name: str) -> None:
        switched = {"type": "agent.switched", "data": {"agent": {"name": name}}}
        await agent.record(session, turn, switched)

    await switch_to("bob")
    feed = f"/v1/events?after=0&agent=bob-{session}"
    async with (
        streaming(pair[0].port, events_of(session, "?agent=bob")) as of_bob,
        streaming(pair[0].port, events_of(session, "?agent=ada&since=2")) as of_ada,
        streaming(pair[1].port, feed) as in_feed,
    ):
        assert [frame.id for frame in await of_bob.until("caught-up")][:-1] == [3]
        for name in ("ada", "bob", f"bob-{session}", "bob"):
            await switch_to(name)
        assert [frame.id for frame in await of_bob.stored(2)] == [5, 7]
        assert [frame.id for frame in await of_ada.stored(1)] == [4]
        assert [frame.json["sequence"] for frame in await in_feed.stored(1)] == [6]


async def test_a_quiet_stream_pings_with_its_head_and_the_time_of_the_server(
    pair: list[Cairn], agent: Agent
):
    session = await agent.session()

    async with streaming(pair[0].port, events_of(session)) as stream:
        await stream.until("caught-up")
        pings = [await stream.next() for _ in range(3)]

    assert [ping.event for ping in pings] == ["ping"] * 3
    assert [ping.id for ping in pings] == [1] * 3
    assert [ping.json["head"] for ping in pings] == [1] * 3
    times = [datetime.fromisoformat(ping.json["at"]) for ping in pings]
    # By the clock of the server: a reader on a busy machine may find several at once.
    apart = [(after - before).total_seconds() for before, after in pairwise(times)]
    assert all(PING_SECONDS / 2 < seconds < LONGEST for seconds in apart), apart


@pytest.mark.parametrize("deleter", [0, 1], ids=["this process", "another process"])
async def test_a_stream_ends_when_its_session_is_deleted(
    pair: list[Cairn], agent: Agent, deleter: int
):
    session = await agent.session()

    async with streaming(pair[0].port, events_of(session)) as stream:
        await stream.until("caught-up")
        async with agents(pair[deleter].port) as (one,):
            await one.do("DELETE", f"/v1/sessions/{session}")
        frames = await stream.rest()

    *_, deleted, closed = [frame for frame in frames if frame.event != "ping"]
    assert (deleted.id, deleted.event) == (2, "session.deleted")
    assert (closed.id, closed.event) == (2, "session.closed")


@pytest.mark.parametrize("since", [0, 1, "now"])
async def test_a_stream_of_a_deleted_session_gives_the_rest_and_ends(
    pair: list[Cairn], agent: Agent, since: int | str
):
    session = await agent.session()
    await agent.do("DELETE", f"/v1/sessions/{session}")

    async with streaming(pair[0].port, events_of(session, f"?since={since}")) as stream:
        frames = await stream.rest()

    left = [] if since == "now" else list(range(int(since) + 1, 3))
    assert [frame.id for frame in frames if frame.is_stored] == left
    assert (frames[-1].id, frames[-1].event) == (2, "session.closed")


async def test_a_filter_does_not_hide_the_end(pair: list[Cairn], agent: Agent):
    session = await agent.session()

    async with streaming(pair[0].port, events_of(session, "?types=message.added")) as stream:
        await stream.until("caught-up")
        await agent.do("DELETE", f"/v1/sessions/{session}")
        frames = await stream.rest()

    assert not any(frame.is_stored for frame in frames)
    assert frames[-1].event == "session.closed"


async def test_a_cursor_beyond_the_head_is_told_and_not_hidden(agent: Agent):
    session = await agent.session()

    answer = await agent.ask("GET", events_of(session, "?since=2"), accept="text/event-stream")

    assert (answer.status, answer.code) == (409, "cursor_ahead")
    assert answer.json["head"] == 1
    assert answer.headers["content-type"].startswith("application/problem+json")


@pytest.mark.parametrize(
    ("query", "resumed"),
    [("?since=-1", ""), ("?since=abc", ""), ("?since=1.0", ""), ("", "abc"), ("", "-1")],
)
async def test_a_malformed_cursor_is_refused(agent: Agent, query: str, resumed: str):
    session = await agent.session()

    answer = await agent.ask(
        "GET", events_of(session, query), accept="text/event-stream", last_event_id=resumed
    )

    assert answer.status == 400
    assert answer.headers["content-type"].startswith("application/problem+json")


async def test_a_stream_of_no_session_is_refused(agent: Agent):
    path = events_of("01890a5d-ac96-774b-bcce-b302099a8057")

    answer = await agent.ask("GET", path, accept="text/event-stream")

    assert (answer.status, answer.code) == (404, "session_not_found")


async def test_a_stream_says_goodbye_at_its_maximum_age(database_url: str):
    async with (
        in_this_process(database_url=database_url, stream_seconds=0.5, ping_seconds=0.2) as (
            port,
            _,
        ),
        agents(port) as (agent,),
    ):
        session = await agent.session()
        async with streaming(port, events_of(session)) as stream:
            frames = await stream.rest()
        async with streaming(port, "/v1/events") as stream:
            feed = await stream.rest()

    for goodbye in (frames[-1], feed[-1]):
        assert (goodbye.id, goodbye.event) == (1, "stream.closing")
        assert goodbye.json["reason"] == "maximum_age"


async def test_all_streams_say_goodbye_when_the_server_stops(database_url: str, tmp_path: Path):
    with serving(database_url, tmp_path) as (server,):
        async with agents(server.port) as (agent,):
            sessions = [await agent.session() for _ in range(5)]
            streams = [await open_stream(server.port, events_of(one)) for one in sessions]
            streams += [await open_stream(server.port, "/v1/events") for _ in range(5)]
            waiting = Connection(server.port)
            asked = time.monotonic()
            await waiting.send("GET", events_of(sessions[0], "?since=1&wait=60s"))
            try:
                for stream in streams:
                    await stream.until("caught-up")
                server.send(signal.SIGTERM)
                endings = [(await stream.rest())[-1] for stream in streams]
                page = (await waiting.receive()).json
                waited = time.monotonic() - asked
                assert server.stop() in (0, -signal.SIGTERM)
            finally:
                waiting.close()
                for stream in streams:
                    stream.close()

    assert {ending.event for ending in endings} == {"stream.closing"}
    assert {ending.json["reason"] for ending in endings} == {"server_shutdown"}
    assert [ending.id for ending in endings] == [1] * 5 + [5] * 5
    assert page["events"] == []
    # It has not waited for its whole minute, however long a busy machine takes to stop.
    assert waited < 60


@contextmanager
def unreadable_log(database_url: str) -> Iterator[None]:
    """Have every read of the log end in an error that is about no more than its statement."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        with connection.transaction():
            connection.execute("alter table events rename to mislaid")
            connection.execute(
                "create view events as select originator_id, originator_version, topic, state,"
                " notification_id / (originator_version * 0) as notification_id, digest,"
                " erased_hash from mislaid"
            )
        try:
            yield
        finally:
            with connection.transaction():
                connection.execute("drop view events")
                connection.execute("alter table mislaid rename to events")


async def test_an_error_in_the_middle_of_a_stream_is_an_event_with_a_problem(database_url: str):
    async with in_this_process(database_url=database_url) as (port, _), agents(port) as (agent,):
        session = await agent.session()
        with unreadable_log(database_url):
            async with streaming(port, events_of(session)) as stream:
                (error,) = await stream.rest()
                request_id = stream.headers["x-request-id"]
        async with streaming(port, events_of(session)) as stream:
            again = await stream.until("caught-up")

    assert (error.event, error.id) == ("error", None)
    problem = json.loads(error.data)
    assert (problem["status"], problem["code"]) == (500, "internal_error")
    assert problem["request_id"] == request_id
    assert "mislaid" not in error.data
    assert "events" not in problem["detail"]
    assert [frame.id for frame in again if frame.is_stored] == [1]


@pytest.mark.parametrize("path", ["{session}", "feed"])
async def test_a_stream_waits_while_the_database_refuses_to_read(
    database_url: str, path: str, monkeypatch: pytest.MonkeyPatch
):
    async with (
        in_this_process(database_url=database_url) as (port, _),
        agents(port) as (agent,),
    ):
        session = await agent.session()
        waits: list[float] = []
        closes_within = FanOut.closes_within

        async def counted(fan_out: FanOut, seconds: float) -> bool:
            waits.append(seconds)
            return await closes_within(fan_out, seconds)

        monkeypatch.setattr(FanOut, "closes_within", counted)
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute("alter table events rename to mislaid")
            where = "/v1/events" if path == "feed" else events_of(session)
            async with streaming(port, where) as stream:
                # It says nothing, and looks again after a while.
                while len(waits) < 3:  # noqa: ASYNC110 - it happens in the server
                    await asyncio.sleep(0.01)
                connection.execute("alter table mislaid rename to events")
                seen = await stream.until("caught-up")

    assert set(waits) == {LOOK_AGAIN}
    assert [frame.id for frame in seen if frame.is_stored] == [1]


async def test_tails_go_on_after_an_error_of_the_database_that_nobody_foresaw(
    database_url: str,
):
    """Even those that are woken by another process: the look-out must survive it."""
    async with (
        in_this_process(database_url=database_url, ping_seconds=0.4) as (port, _),
        in_this_process(database_url=database_url) as (elsewhere, _),
        agents(elsewhere) as (agent,),
    ):
        session = await agent.session()
        async with streaming(port, events_of(session)) as stream:
            await stream.until("caught-up")
            with unreadable_log(database_url):
                # Both look-outs look at least once a second, and are told of an error.
                for _ in range(4):
                    await stream.until("ping")
            await agent.message(session)
            (live,) = await stream.stored(1)

    assert live.id == 2
