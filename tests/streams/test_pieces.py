"""Pieces of a message that is still being streamed: seen by those who look, never stored."""

import asyncio

import psycopg
import pytest

from tests.streams.agent import Agent, said
from tests.support.processes import Cairn
from tests.support.sse import Frame, eventually, open_stream, streaming

BOTH = pytest.mark.parametrize("reader", [0, 1], ids=["this process", "another process"])


def texts(frames: list[Frame]) -> list[str]:
    return [frame.json["data"]["parts"][0]["text"] for frame in frames]


def pieces(frames: list[Frame]) -> list[Frame]:
    return [frame for frame in frames if frame.event == "partial"]


async def partial_of(agent: Agent, session: str) -> str:
    snapshot = await agent.do("GET", f"/v1/sessions/{session}/snapshot")
    return str(snapshot["turn"]["partial"])


@BOTH
async def test_pieces_reach_live_readers_in_order_before_what_is_recorded(
    pair: list[Cairn], agent: Agent, reader: int
):
    session, turn = await agent.busy_session()
    words = [f"word{i} " for i in range(40)]

    async with streaming(pair[reader].port, f"/v1/sessions/{session}/events") as stream:
        await stream.until("caught-up")
        for word in words:
            await agent.record(session, turn, said(word), partial=True)
        shown: list[Frame] = []
        while len(shown) < len(words):
            shown += pieces(await stream.until("partial"))
        await agent.record(session, turn, said("".join(words)))
        (stored,) = await stream.stored(1)

    assert texts(shown) == words
    assert {piece.id for piece in shown} == {None}
    assert all(piece.json["turn_id"] == turn and piece.json["partial"] for piece in shown)
    assert (stored.id, stored.event) == (3, "agent.message")


async def test_pieces_of_several_kinds_come_as_they_were_sent(pair: list[Cairn], agent: Agent):
    session, turn = await agent.busy_session()

    async with streaming(pair[0].port, f"/v1/sessions/{session}/events") as stream:
        await stream.until("caught-up")
        await agent.record(
            session, turn, said("hm", "agent.thought"), {"type": "x", "data": 1}, partial=True
        )
        thought, other = [(await stream.until("partial"))[-1] for _ in range(2)]

    assert (thought.json["type"], thought.json["data"]) == (
        "agent.thought",
        said("hm")["data"],
    )
    assert (other.json["type"], other.json["data"]) == ("x", 1)


@BOTH
async def test_no_piece_comes_after_what_was_recorded_of_it(
    pair: list[Cairn], agent: Agent, reader: int
):
    """However fast they follow each other: a late piece would stand in the text twice."""
    session, turn = await agent.busy_session()

    async with streaming(pair[reader].port, f"/v1/sessions/{session}/events") as stream:
        await stream.until("caught-up")
        for i in range(60):
            await agent.record(session, turn, said(f"{i}"), partial=True)
            await agent.record(session, turn, said(f"{i}"))
        await agent.do("POST", f"/v1/sessions/{session}/turns/{turn}/complete", {})
        frames = await stream.until("turn.completed")

    recorded = -1
    for frame in frames:
        if frame.event == "agent.message":
            recorded = int(texts([frame])[0])
        elif frame.event == "partial":
            assert int(texts([frame])[0]) == recorded + 1
    assert recorded == 59


async def test_pieces_are_never_stored(
    pair: list[Cairn], pair_url: str, agent: Agent, other: Agent
):
    session, turn = await agent.busy_session()
    secret = "never to be found on a disk"

    async with streaming(pair[1].port, f"/v1/sessions/{session}/events") as stream:
        await stream.until("caught-up")
        before = await agent.do("GET", f"/v1/sessions/{session}")
        await agent.record(session, turn, said(secret), partial=True)
        await stream.until("partial")

    assert [event["sequence"] for event in await other.log(session)] == [1, 2]
    assert await agent.do("GET", f"/v1/sessions/{session}") == before
    with psycopg.connect(pair_url, autocommit=True) as connection:
        tables = connection.execute(
            "select tablename from pg_tables where schemaname = 'public'"
        ).fetchall()
        for (table,) in tables:
            found = connection.execute(
                f"select count(*) from {table} as t where t::text like %s"  # type: ignore[arg-type]
                " or encode(convert_to(t::text, 'UTF8'), 'hex') like %s",
                (f"%{secret}%", f"%{secret.encode().hex()}%"),
            ).fetchone()
            assert found == (0,), table


async def test_a_reader_who_comes_later_gets_no_pieces_but_finds_them_in_the_snapshot(
    pair: list[Cairn], agent: Agent
):
    session, turn = await agent.busy_session()
    for word in ("I ", "am ", "still "):
        await agent.record(session, turn, said(word), partial=True)

    snapshot = await agent.do("GET", f"/v1/sessions/{session}/snapshot")
    async with streaming(
        pair[0].port, f"/v1/sessions/{session}/events?since={snapshot['sequence']}"
    ) as stream:
        before = await stream.until("caught-up")
        await agent.record(session, turn, said("typing"), partial=True)
        after = await stream.until("partial")

    assert snapshot["turn"]["partial"] == "I am still "
    assert pieces(before) == []
    assert texts(pieces(after)) == ["typing"]


async def test_the_snapshot_of_another_process_has_the_pieces_too(agent: Agent, other: Agent):
    session, turn = await agent.busy_session()
    for word in ("one ", "two"):
        await agent.record(session, turn, said(word), partial=True)

    async def arrived() -> bool:
        return await partial_of(other, session) == "one two"

    await eventually(arrived, "the pieces are in the other's snapshot")
    await agent.record(session, turn, said("one two"))
    assert await partial_of(agent, session) == ""
    assert await partial_of(other, session) == ""


async def test_pieces_go_on_after_an_event_that_another_process_recorded(
    pair: list[Cairn], agent: Agent, other: Agent
):
    """What this process knows of the session is behind then: a piece must not be taken for old."""
    session, turn = await agent.busy_session()
    await other.record(session, turn, said("by the other"))

    async with streaming(pair[1].port, f"/v1/sessions/{session}/events") as stream:
        await stream.until("caught-up")
        await agent.record(session, turn, said("then "), partial=True)
        frames = await stream.until("partial")

    assert texts(pieces(frames)) == ["then "]
    assert await partial_of(agent, session) == "then "


async def test_a_piece_for_a_turn_that_does_not_run_is_refused(agent: Agent):
    session, turn = await agent.busy_session()
    await agent.do("POST", f"/v1/sessions/{session}/turns/{turn}/complete", {})

    answer = await agent.ask(
        "POST",
        f"/v1/sessions/{session}/turns/{turn}/events",
        {"events": [said("late")], "partial": True},
    )

    assert 400 <= answer.status < 500


async def test_a_reader_who_does_not_read_for_a_while_gets_pieces_in_order_and_none_too_late(
    pair: list[Cairn], agent: Agent
):
    """Its stream stands still while pieces and events go by; it may miss pieces, no event."""
    session, turn = await agent.busy_session()
    large = "x" * 100_000
    stream = await open_stream(
        pair[0].port, f"/v1/sessions/{session}/events", receive_buffer=4096, limit=4096
    )
    try:
        frames = await stream.until("caught-up")
        for i in range(90):
            await agent.record(session, turn, said(f"{i} {large}"), partial=True)
            if i % 3 == 2:
                await agent.record(session, turn, said(f"{i}"))
        await agent.do("POST", f"/v1/sessions/{session}/turns/{turn}/complete", {})
        frames += await stream.until("turn.completed")
    finally:
        stream.close()

    seen, recorded = -1, -1
    for frame in frames:
        if frame.event == "agent.message":
            recorded = int(texts([frame])[0])
        elif frame.event == "partial":
            number = int(texts([frame])[0].split()[0])
            assert number > max(seen, recorded)
            assert number <= recorded + 3
            seen = number
    assert [frame.id for frame in frames if frame.is_stored] == list(range(1, 34))
    assert recorded == 89


async def test_many_readers_of_one_session_all_get_its_pieces(pair: list[Cairn], agent: Agent):
    session, turn = await agent.busy_session()
    path = f"/v1/sessions/{session}/events?since=now"
    streams = [await open_stream(pair[i % 2].port, path) for i in range(40)]
    try:
        await asyncio.gather(*(stream.until("caught-up") for stream in streams))
        await agent.record(session, turn, said("hello"), partial=True)
        shown = await asyncio.gather(*(stream.until("partial") for stream in streams))
    finally:
        for stream in streams:
            stream.close()

    assert [texts(pieces(frames)) for frames in shown] == [["hello"]] * 40
