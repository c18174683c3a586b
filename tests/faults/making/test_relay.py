"""The relay passes everything on, and loses, holds back or delays it when it is told to."""

import asyncio
import gc
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from tests.faults.making.relay import Relay, Streams
from tests.support.listening import stop_listening

PATIENCE = 20


@asynccontextmanager
async def echo() -> AsyncIterator[Relay]:
    """A relay before somebody who says everything again."""

    async def say_again(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1000):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(say_again, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    relay = Relay(lambda: asyncio.open_connection("127.0.0.1", port))
    try:
        async with relay.serve():
            yield relay
    finally:
        await stop_listening(server)
        await server.wait_closed()


async def connected(relay: Relay) -> Streams:
    return await asyncio.open_connection("127.0.0.1", relay.port)


async def say(streams: Streams, words: bytes) -> None:
    streams[1].write(words)
    async with asyncio.timeout(PATIENCE):
        assert await streams[0].readexactly(len(words)) == words


async def test_everything_is_passed_on() -> None:
    async with echo() as relay:
        one, other = await connected(relay), await connected(relay)
        await say(one, b"a" * 300_000)
        await say(other, b"other")
        one[1].close()
        await say(other, b"still there")
        other[1].close()


async def test_connections_that_are_frozen_pass_on_later_what_they_were_given() -> None:
    async with echo() as relay:
        old = await connected(relay)
        await say(old, b"before")
        thaw = relay.freeze("those there are")
        new = await connected(relay)
        await say(new, b"a new one passes on")
        old[1].write(b"held back")
        heard = asyncio.create_task(old[0].readexactly(9))
        await say(new, b"and again")
        assert not heard.done()
        thaw()
        async with asyncio.timeout(PATIENCE):
            assert await heard == b"held back"
        old[1].close()
        new[1].close()


async def test_while_all_are_frozen_a_new_connection_says_nothing_either() -> None:
    async with echo() as relay:
        thaw = relay.freeze("all")
        new = await connected(relay)
        saying = asyncio.create_task(say(new, b"hello"))
        done, _ = await asyncio.wait({saying}, timeout=0.2)
        assert not done
        thaw()
        await saying
        after = await connected(relay)
        await say(after, b"as ever")
        for one in (new, after):
            one[1].close()


async def test_connections_that_are_dropped_are_lost_at_once() -> None:
    async with echo() as relay:
        lost = await connected(relay)
        await say(lost, b"before")
        assert await relay.drop() == 1
        async with asyncio.timeout(PATIENCE):
            # Reset or ended: either way there is nothing more.
            with suppress(ConnectionResetError):
                assert await lost[0].read(1) == b""
        lost[1].close()
        new = await connected(relay)
        await say(new, b"after")
        new[1].close()


@pytest.mark.parametrize("turns", range(6))
async def test_no_connection_is_left_half_made_when_a_server_ends(turns: int) -> None:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    with socket.create_connection(server.sockets[0].getsockname()):
        for _ in range(turns):
            await asyncio.sleep(0)
        await stop_listening(server)

    # An unclosed connection is a warning, and so an error.
    gc.collect()
