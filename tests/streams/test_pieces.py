"""Pieces of messages that are being written: exact for everybody who looks, from any process."""

import asyncio

import psycopg
import pytest

from api.cli.written import Written
from tests.streams.agent import Agent, agents, said
from tests.support.processes import Cairn
from tests.support.sse import Frame, eventually, open_stream, streaming

LARGEST = 1024 * 1024 - 8 * 1024
BOTH = pytest.mark.parametrize("reader", [0, 1], ids=["this process", "another process"])


def texts(frames: list[Frame]) -> list[str]:
    return [frame.json["text"] for frame in frames]


def recorded_text(frame: Frame) -> str:
    return str(frame.json["data"]["parts"][0]["text"])


def pieces(frames: list[Frame]) -> list[Frame]:
    return [frame for frame in frames if frame.event == "partial"]


async def partial_of(agent: Agent, session: str) -> str:
    return "".join(one["text"] for one in await agent.written(session))


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
        while sum(frame.json["pieces"] for frame in shown) < len(words):
            shown += pieces(await stream.until("partial"))
        await agent.record(session, turn, said("".join(words)))
        (stored,) = await stream.stored(1)

    assert "".join(texts(shown)) == "".join(words)
    assert {piece.id for piece in shown} == {None}
    assert all(piece.json["turn_id"] == turn and piece.json["partial"] for piece in shown)
    assert (stored.id, stored.event) == (3, "agent.message")


async def test_all_messages_that_are_written_at_once_come_each_by_itself(
    pair: list[Cairn], agent: Agent
):
    session, turn = await agent.busy_session()
    both = [{"type": "reasoning", "text": "hm"}]
    call = {"tool_call_id": "c", "name": "look", "input": '{"at"'}

    async with streaming(pair[0].port, f"/v1/sessions/{session}/events") as stream:
        await stream.until("caught-up")
        await agent.record(
            session,
            turn,
            said("why", "agent.thought", message="m"),
            said("so ", message="m"),
            {"type": "agent.message", "data": {"parts": both, "message_id": "m"}},
            {"type": "tool.called", "data": call},
            said("is it", message="m"),
            partial=True,
        )
        frames: list[Frame] = []
        while len(frames) < 4:
            frames += pieces(await stream.until("partial"))

    place = {"index": 0, "offset": 0}
    assert [frame.json for frame in frames] == [
        {
            "session_id": session,
            "turn_id": turn,
            "partial": True,
            "type": kind_of_event,
            "kind": kind,
            "message_id": message,
            "name": name,
            "pieces": count,
            "text": text,
            **place,
        }
        for kind_of_event, kind, message, name, count, text in (
            ("agent.thought", "reasoning", "m", None, 1, "why"),
            ("agent.message", "text", "m", None, 2, "so is it"),
            ("agent.message", "reasoning", "m", None, 1, "hm"),
            ("tool.called", "tool_input", "c", "look", 1, '{"at"'),
        )
    ]


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
            recorded = int(recorded_text(frame))
        elif frame.event == "partial":
            assert int(texts([frame])[0]) == recorded + 1
    assert recorded == 59


async def test_pieces_are_in_no_table_once_their_message_is_recorded(
    pair: list[Cairn], pair_url: str, agent: Agent, other: Agent
):
    session, turn = await agent.busy_session()
    secret = "never to be found on a disk"

    def tables_with_it() -> list[str]:
        with psycopg.connect(pair_url, autocommit=True) as connection:
            tables = connection.execute(
                "select tablename from pg_tables where schemaname = 'public'"
            ).fetchall()
            return [
                table
                for (table,) in tables
                if connection.execute(
                    f"select 1 from {table} as t where t::text like %s"  # type: ignore[arg-type]
                    " or encode(convert_to(t::text, 'UTF8'), 'hex') like %s"
                    " or t::text like %s limit 1",
                    (f"%{secret}%", f"%{secret.encode().hex()}%", f"%{secret.encode().hex()}%"),
                ).fetchone()
            ]

    async with streaming(pair[1].port, f"/v1/sessions/{session}/events") as stream:
        await stream.until("caught-up")
        before = await agent.do("GET", f"/v1/sessions/{session}")
        await agent.record(session, turn, said(secret, message="m"), partial=True)
        await stream.until("partial")

    assert [event["sequence"] for event in await other.log(session)] == [1, 2]
    assert await agent.do("GET", f"/v1/sessions/{session}") == before
    assert await asyncio.to_thread(tables_with_it) == ["partials"]
    await agent.record(session, turn, said("something else", message="m"))

    async def gone() -> bool:
        return await asyncio.to_thread(tables_with_it) == []

    await eventually(gone, "the pieces are gone")


@BOTH
async def test_a_reader_who_comes_in_the_middle_gets_all_so_far_in_one_frame_and_then_the_rest(
    pair: list[Cairn], agent: Agent, reader: int
):
    session, turn = await agent.busy_session()
    for word in ("I ", "am ", "still "):
        await agent.record(session, turn, said(word), partial=True)

    async with streaming(pair[reader].port, f"/v1/sessions/{session}/events?since=2") as stream:
        seen = Written()
        text = ""
        while text != "I am still ":
            text += "".join(seen.take(one.json) for one in pieces(await stream.until("partial")))
        await agent.record(session, turn, said("typing"), partial=True)
        (frame,) = pieces(await stream.until("partial"))

    assert (frame.json["index"], frame.json["offset"], frame.json["text"]) == (3, 11, "typing")


@BOTH
async def test_a_snapshot_and_the_stream_after_it_are_exact_in_every_order(
    pair: list[Cairn], agent: Agent, reader: int
):
    """Pieces before the snapshot, between it and the stream, and after that."""
    async with agents(pair[reader].port) as (looking,):
        for before in range(4):
            for between in range(4 - before):
                session, turn = await agent.busy_session()
                words = ["The ", "quick ", "fox"]
                for word in words[:before]:
                    await agent.record(session, turn, said(word), partial=True)
                snapshot = await looking.do("GET", f"/v1/sessions/{session}/snapshot")
                mine, text = Written(), ""
                for one in snapshot["turn"]["partial"]:
                    text += mine.take(one)
                for word in words[before : before + between]:
                    await agent.record(session, turn, said(word), partial=True)
                path = f"/v1/sessions/{session}/events?since={snapshot['sequence']}"
                async with streaming(pair[reader].port, path) as stream:
                    await stream.until("caught-up")
                    for word in words[before + between :]:
                        await agent.record(session, turn, said(word), partial=True)
                    while text != "The quick fox":
                        (frame,) = pieces(await stream.until("partial"))
                        text += mine.take(frame.json)
                        assert "The quick fox".startswith(text)


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
    """Its stream stands still while pieces and events go by."""
    session, turn = await agent.busy_session()
    large = "x" * 100_000
    stream = await open_stream(
        pair[0].port, f"/v1/sessions/{session}/events", receive_buffer=4096, limit=4096
    )
    try:
        frames = await stream.until("caught-up")
        for i in range(90):
            await agent.record(session, turn, said(f"{i} {large} "), partial=True)
            if i % 3 == 2:
                await agent.record(session, turn, said(f"{i}"))
        await agent.do("POST", f"/v1/sessions/{session}/turns/{turn}/complete", {})
        frames += await stream.until("turn.completed")
    finally:
        stream.close()

    recorded, text = -1, ""
    for frame in frames:
        if frame.event == "agent.message":
            recorded = int(recorded_text(frame))
            text = ""
        elif frame.event == "partial":
            # What was not taken in time comes as one.
            assert frame.json["offset"] == len(text)
            text += frame.json["text"]
            numbers = [int(one) for one in text.replace(large, "").split()]
            assert numbers == list(range(recorded + 1, recorded + 1 + len(numbers)))
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


# ── pieces that say where they belong ────────────────────────────────────────────────────────


async def test_numbered_pieces_may_come_through_any_process_and_come_again(
    agent: Agent, other: Agent
):
    session, turn = await agent.busy_session()
    words = [f"word{n} " for n in range(40)]
    offset = 0
    for index, word in enumerate(words):
        piece = said(word, message="m", offset=offset, index=index)
        to = (agent, other)[index % 2]
        answers = [await to.write(session, turn, piece)]
        if index % 5 == 0:
            answers += [await one.write(session, turn, piece) for one in (other, agent)]
        assert {answer.status for answer in answers} == {200}
        offset += len(word)
        assert answers[0].json["next"][0]["offset"] == offset

    for one in (agent, other):

        async def whole(reader: Agent = one) -> bool:
            return await partial_of(reader, session) == "".join(words)

        await eventually(whole, "both have all of it")


async def test_a_gap_is_refused_with_what_is_expected(agent: Agent, other: Agent):
    session, turn = await agent.busy_session()
    await agent.write(session, turn, said("The ", message="m", offset=0))

    for to in (agent, other):
        answer = await to.write(session, turn, said("fox", message="m", offset=10))
        assert (answer.status, answer.json["code"]) == (409, "piece_misplaced")
        assert answer.json["expected"] == {"index": 1, "offset": 4}
        assert answer.json["message_id"] == "m"
    assert await partial_of(agent, session) == "The "


async def test_a_message_that_another_process_counts_goes_on_with_an_offset_only(
    agent: Agent, other: Agent
):
    session, turn = await agent.busy_session()
    await agent.write(session, turn, said("The ", message="m"))

    refused = await other.write(session, turn, said("quick ", message="m"))
    assert (refused.status, refused.json["code"]) == (409, "piece_misplaced")
    place = refused.json["expected"]
    taken = await other.write(session, turn, said("quick ", message="m", **place))

    assert taken.json["next"][0]["offset"] == 10

    async def whole() -> bool:
        return await partial_of(agent, session) == "The quick "

    await eventually(whole, "the first process has heard of it")


async def test_of_several_pieces_all_are_taken_or_none(agent: Agent):
    session, turn = await agent.busy_session()

    answer = await agent.write(
        session, turn, said("one ", message="a"), said("two", message="b", offset=7)
    )

    assert (answer.status, answer.json["code"]) == (409, "piece_misplaced")
    assert await agent.written(session) == []


async def test_a_pair_that_is_torn_between_two_requests_is_joined(agent: Agent):
    session, turn = await agent.busy_session()

    for text in ("turtle \ud83d", "\udc22!"):
        answer = await agent.write(session, turn, said(text, message="m"))
        assert answer.status == 200, answer.body

    assert await partial_of(agent, session) == "turtle 🐢!"


async def test_half_of_a_pair_is_refused_where_nothing_follows_it(agent: Agent):
    session, turn = await agent.busy_session()
    path = f"/v1/sessions/{session}/turns/{turn}/events"

    recorded = await agent.ask("POST", path, {"events": [said("\ud83d")]})
    within = await agent.write(session, turn, said("a\ud83db"))
    in_an_id = await agent.write(session, turn, said("a\ud83d", message="\ud83d"))
    assert {(one.status, one.json["code"]) for one in (recorded, within, in_an_id)} == {
        (400, "malformed_json")
    }
    assert (await agent.write(session, turn, said("a\ud83d", message="m"))).status == 200
    other = await agent.write(session, turn, said("b", message="m"))
    assert (other.status, other.json["code"]) == (422, "invalid")


async def test_an_empty_piece_is_a_piece(agent: Agent):
    session, turn = await agent.busy_session()

    answer = await agent.write(session, turn, said("", message="m", offset=0, index=0))

    assert answer.json["next"][0] == {
        "type": "agent.message",
        "kind": "text",
        "message_id": "m",
        "index": 1,
        "offset": 0,
    }
    (written,) = await agent.written(session)
    assert (written["text"], written["pieces"]) == ("", 1)


async def test_no_message_is_written_that_is_too_large_to_be_recorded(agent: Agent):
    session, turn = await agent.busy_session()
    for _ in range(4):
        answer = await agent.write(session, turn, said("x" * 250_000, message="m"))
        assert answer.status == 200

    refused = await agent.write(session, turn, said("x" * 250_000, message="m"))

    assert (refused.status, refused.json["code"]) == (413, "partial_too_large")
    assert (refused.json["limit"], refused.json["message_id"]) == (LARGEST, "m")
    assert len(await partial_of(agent, session)) == 1_000_000


async def test_a_message_of_the_largest_size_can_be_recorded(agent: Agent):
    """As it counts in its record, where a line end takes two bytes."""
    session, turn = await agent.busy_session()
    text, message = "\n" * (LARGEST // 2), "m" * 4096
    assert (await agent.write(session, turn, said(text, message=message))).status == 200
    assert (await agent.write(session, turn, said("x", message=message))).status == 413

    await agent.record(session, turn, said(text, message=message))

    assert await agent.written(session) == []


async def test_no_more_messages_are_written_at_once_than_a_session_may_have(agent: Agent):
    session, turn = await agent.busy_session()
    many = [said("a", message=f"m{n}", offset=0) for n in range(100)]
    assert (await agent.write(session, turn, *many)).status == 200

    refused = await agent.write(session, turn, said("a", message="one more"))

    assert (refused.status, refused.json["code"]) == (429, "limit_reached")


@pytest.mark.parametrize(
    ("piece", "field"),
    [
        ({"type": "plan.updated", "data": {"entries": []}}, "events[0].type"),
        ({"type": "x", "data": 1}, "events[0].type"),
        (
            {"type": "agent.message", "data": {"parts": [{"type": "data", "data": 1}]}},
            "events[0].data.parts",
        ),
        (
            {"type": "tool.called", "data": {"tool_call_id": "c", "name": "n"}},
            "events[0].data.input",
        ),
        ({**said("a"), "index": 1}, "events[0].offset"),
    ],
)
async def test_what_is_no_piece_is_refused_by_name(agent: Agent, piece, field):
    session, turn = await agent.busy_session()

    answer = await agent.write(session, turn, piece)

    assert (answer.status, answer.json["code"]) == (422, "invalid")
    assert answer.json["errors"][0]["field"] == field


async def test_what_is_recorded_has_no_offset(agent: Agent):
    session, turn = await agent.busy_session()

    answer = await agent.ask(
        "POST", f"/v1/sessions/{session}/turns/{turn}/events", {"events": [said("a", offset=0)]}
    )

    assert (answer.status, answer.json["errors"][0]["field"]) == (422, "events[0].offset")


async def test_a_snapshot_while_a_turn_runs_is_not_taken_for_unchanged(agent: Agent):
    session, turn = await agent.busy_session()
    path = f"/v1/sessions/{session}/snapshot"
    first = await agent.ask("GET", path)
    await agent.write(session, turn, said("a"))

    again = await agent.ask("GET", path, if_none_match=first.headers["etag"])

    assert again.status == 200
    assert again.json["turn"]["partial"][0]["text"] == "a"
