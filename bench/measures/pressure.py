"""Under pressure: readers that take nothing, headers without end, connections that say nothing."""

import asyncio
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from statistics import median
from time import perf_counter

from bench import cairn, load
from bench.figures import Figure, at_most
from bench.lab import Lab
from bench.servers import Server
from bench.wire import HOST, Client, Request, get, post

_MEBIBYTE = 1024 * 1024
_MEMORY_MB = 512
_LARGE = 900 * 1024
_SETTLED_FOR = 5.0
_STALLED_FOR = 60.0
_AT_MOST = 90.0
_HALF_OPEN = 1000
_HEADER = 100 * _MEBIBYTE
_BETWEEN_HEADERS = 0.1


async def stalled_readers(lab: Lab) -> list[Figure]:
    """Readers of the feed that never read: what they take, and what is left when they leave."""
    settings = {"CAIRN_MEMORY_MB": str(_MEMORY_MB), "CAIRN_STALLED_SECONDS": "3600"}
    size, readers = lab.sizes.stalled_mb, lab.sizes.stalled_readers
    async with lab.own_cairn(environment=settings) as server:
        sessions = await cairn.new_sessions(server, 8)
        await load.send_all(server.port, _large(sessions, size * _MEBIBYTE), 4)
        before = await _settled(server)
        with ExitStack() as stack:
            for _ in range(readers):
                stack.enter_context(await _stalled(server))
            during = await _most(server, _STALLED_FOR)
            still = await _open_streams(server)
        after = await _settled(server)
    title = f"{readers} stalled readers of the feed over {size:,} MB of events"
    return [
        Figure(
            measure="stalled",
            title=f"{title}, highest RSS (before them {before:.0f} MB)",
            value=during,
            unit="MB",
            note=f"{still:.0f} of them were not cut off for it",
            target=at_most(during, _MEMORY_MB, f"the budget of {_MEMORY_MB} MiB"),
        ),
        Figure(
            measure="stalled",
            title=f"{title}, RSS after they have left, as a multiple of before",
            value=after / before,
            unit="x",
            target=at_most(after / before, 1.2, "at most 1.2"),
        ),
    ]


async def hostile(lab: Lab) -> list[Figure]:
    """The p99 of appends beside 1,000 half-open connections and headers of 100 MB, and without."""
    seconds = lab.sizes.seconds
    async with lab.own_cairn() as server:
        appends = [cairn.append(session) for session in await cairn.new_sessions(server, 64)]
        await load.run(server.port, appends, 8, 1)
        quiet, beside = list[float](), list[float]()
        for _ in range(max(3, lab.sizes.rounds)):
            quiet.append((await load.run(server.port, appends, 8, seconds)).p99)
            with ExitStack() as stack:
                for _ in range(_HALF_OPEN):
                    stack.enter_context(await _connected(server, b"POST /v1/sess"))
                flood = asyncio.create_task(_send_headers(server))
                try:
                    beside.append((await load.run(server.port, appends, 8, seconds)).p99)
                finally:
                    flood.cancel()
                    await asyncio.gather(flood, return_exceptions=True)
    value, floor = median(beside), median(quiet)
    return [
        Figure(
            measure="hostile",
            title=f"append beside {_HALF_OPEN:,} half-open connections, 100 MB headers, p99",
            value=value,
            unit="ms",
            floor=floor,
            floor_name="the same without",
            target=at_most(value, 3 * floor, "under 3 x the quiet one"),
            detail={"quiet_ms": quiet, "beside_ms": beside},
        )
    ]


def _large(sessions: list[str], size: int) -> Iterator[Request]:
    parts = [{"type": "text", "text": "x" * _LARGE}]
    for number in range(size // _LARGE + 1):
        path = f"/v1/sessions/{sessions[number % len(sessions)]}/messages"
        yield post(path, {"role": "user", "parts": parts})


async def _connected(server: Server, sent: bytes) -> socket.socket:
    """A connection whose other end waits; what it gets stays in a small buffer."""
    connection = socket.socket()
    connection.setblocking(False)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(connection, (HOST, server.port))
    await loop.sock_sendall(connection, sent)
    return connection


async def _stalled(server: Server) -> socket.socket:
    head = b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"
    return await _connected(server, head)


async def _send_headers(server: Server) -> None:
    """Send up to ten headers of 100 MB a second, as far as each is taken."""
    loop, piece = asyncio.get_running_loop(), b"a" * 65_536
    while True:
        connection = await _connected(server, b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ")
        with connection, suppress(OSError):
            for _ in range(_HEADER // len(piece)):
                await loop.sock_sendall(connection, piece)
        await asyncio.sleep(_BETWEEN_HEADERS)


async def _open_streams(server: Server) -> float:
    client = await Client.connect(server.port)
    try:
        text = (await client.send(get("/metrics"))).expect(200).body.decode()
    finally:
        client.close()
    found = re.search(r"^cairn_streams_open (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


async def _most(server: Server, seconds: float) -> float:
    """The most resident memory of a while: the sockets of so many readers fill slowly."""
    most, end = 0.0, perf_counter() + seconds
    while perf_counter() < end:
        most = max(most, server.rss_mb())
        await asyncio.sleep(0.2)
    return most


async def _settled(server: Server) -> float:
    """Resident memory when it has not changed by 2 % for a while."""
    seen, since, started = server.rss_mb(), perf_counter(), perf_counter()
    while perf_counter() - since < _SETTLED_FOR and perf_counter() - started < _AT_MOST:
        await asyncio.sleep(0.5)
        now = server.rss_mb()
        if abs(now - seen) > 0.02 * seen:
            seen, since = now, perf_counter()
    return server.rss_mb()
