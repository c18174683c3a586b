"""Killed in the middle of an answer: the text so far is there, and goes on exactly."""

import asyncio
from contextlib import suppress

from api.cli.written import Written
from tests.crash.agent import agents
from tests.crash.conftest import start_again
from tests.streams.agent import Agent, said
from tests.support.processes import Cairn
from tests.support.sse import Lost, eventually, streaming

WORDS = [f"word{n} " for n in range(60)]
WHOLE = "".join(WORDS)


async def write_all(agent: Agent, session: str, turn: str, offset: int) -> None:
    """Write the text from a place on, and from another when that is what is expected."""
    while offset < len(WHOLE):
        end = WHOLE.index(" ", offset) + 1
        piece = said(WHOLE[offset:end], message="m", offset=offset)
        answer = await agent.write(session, turn, piece)
        if answer.status == 409:
            assert answer.json["code"] == "piece_misplaced"
            offset = answer.json["expected"]["offset"]
        else:
            assert answer.status == 200
            offset = end


async def test_an_answer_goes_on_where_it_was_when_its_process_was_killed(servers: list[Cairn]):
    server, other = servers
    async with agents(server.port) as (agent,):
        session, turn = await agent.busy_session()
        for at, word in enumerate(WORDS[:40]):
            piece = said(word, message="m", offset=len("".join(WORDS[:at])))
            assert (await agent.write(session, turn, piece)).status == 200
    path = f"/v1/sessions/{session}/events?since=2"
    mine, text = Written(), ""
    async with agents(other.port) as (looking,):
        async with streaming(server.port, path) as stream:
            while text != "".join(WORDS[:40]):
                frames = await stream.until("partial")
                text += "".join(mine.take(one.json) for one in frames if one.event == "partial")
            # It is kept a moment after it was said.
            await eventually(lambda: looking.written(session), "some of it is kept")
            server.kill()
        (elsewhere,) = await looking.written(session)
        assert WHOLE.startswith(elsewhere["text"])
        # At most what was said in the last moment before the kill is not there.
        assert len(elsewhere["text"]) > 0
        await start_again(server)
        async with agents(server.port) as (agent,):
            (snapshot,) = await agent.written(session)
            # What was on its way to the database may have come there after the kill.
            assert snapshot["text"].startswith(elsewhere["text"])
            async with streaming(server.port, path) as stream:
                writing = asyncio.create_task(write_all(agent, session, turn, len(text)))
                while text != WHOLE:
                    for frame in await stream.until("partial"):
                        if frame.event == "partial":
                            text += mine.take(frame.json)
                            assert WHOLE.startswith(text)
                await writing

            async def whole_elsewhere() -> bool:
                (whole,) = await looking.written(session)
                return bool(whole["text"] == WHOLE)

            await eventually(whole_elsewhere, "the other process has all of it")
            await agent.record(session, turn, said(WHOLE, message="m"))
            assert await agent.written(session) == await looking.written(session) == []


async def test_what_a_process_has_counted_is_there_after_its_death_or_is_asked_for(
    servers: list[Cairn],
):
    """Pieces without an offset: none is lost without a word."""
    server, other = servers
    async with agents(server.port) as (agent,):
        session, turn = await agent.busy_session()
        assert (await agent.write(session, turn, said("The ", message="m"))).status == 200
        server.kill()
        with suppress(Lost, OSError):
            await agent.write(session, turn, said("quick ", message="m"))
    async with agents(other.port) as (looking,):
        answer = await looking.write(session, turn, said("quick ", message="m"))
        assert (answer.status, answer.json["expected"]) == (409, {"index": 1, "offset": 4})
        (kept,) = await looking.written(session)
        assert kept["text"] == "The "
    await start_again(server)
