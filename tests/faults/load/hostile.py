"""Clients that mean no good, and what becomes of them."""

import asyncio
from contextlib import suppress

from tests.faults.history import Hostile
from tests.faults.load.recorder import Recorder

_POST = b"POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
_LONGEST = 45.0
_PIECE = 1 << 16
NOTHING = "nothing"

ATTACKS: dict[str, tuple[bytes, bytes]] = {
    NOTHING: (b"", b""),
    "one large header": (b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: ", b"a" * 2_000_000),
    "many headers": (b"GET /health HTTP/1.1\r\nHost: localhost\r\n", b"X-A: b\r\n" * 100_000),
    "a long address": (b"GET /", b"a" * 200_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    "half a head": (b"GET /health HTTP/1.1\r\nHost: local", b""),
    "half a body": (_POST + b'Content-Length: 900\r\n\r\n{"app": ', b""),
    "endless chunks": (_POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", b""),
    "two lengths": (_POST + b"Content-Length: 4\r\nContent-Length: 9\r\n\r\n", b"{}{}{}{}{}"),
    "a length and chunks": (
        _POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"2\r\n{}\r\n0\r\n\r\n",
    ),
    "a huge length": (_POST + b"Content-Length: 99999999999\r\n\r\n", b"{}"),
    "a negative length": (_POST + b"Content-Length: -1\r\n\r\n", b"{}"),
    "two hosts": (b"GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b""),
    "another host": (b"GET /v1/sessions HTTP/1.1\r\nHost: evil.example\r\n\r\n", b""),
    "a forged line": (b"GET /v1/a%0a%1b[31mERROR HTTP/1.1\r\nHost: localhost\r\n\r\n", b""),
    "no HTTP at all": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200, b""),
    "a deep body": (_POST + b"Content-Length: 200000\r\n\r\n", b"[" * 200_000),
}
"""What is sent first, and what is sent until nobody takes it any more."""


async def attack(recorder: Recorder, port: int, kind: str) -> None:
    """Do what one attack says, and note what it was answered.

    Args:
        recorder: Where it is noted.
        port: Of the server.
        kind: One of `ATTACKS`.
    """
    began, status, is_over = recorder.now(), 0, False
    with suppress(TimeoutError):
        async with asyncio.timeout(_LONGEST):
            status = await _status(port, *ATTACKS[kind])
            is_over = True
    ended = recorder.now()
    recorder.add(Hostile(kind=kind, began=began, ended=ended, status=status, is_over=is_over))


async def _status(port: int, first: bytes, rest: bytes) -> int:
    """Send, and return the status of the answer; 0 when the connection was just closed."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return 0
    sending = asyncio.create_task(_send(writer, first, rest))
    try:
        line = await reader.readline()
        return int(line.split()[1]) if line.startswith(b"HTTP/1.") else 0
    except OSError:
        return 0
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        writer.transport.abort()


async def _send(writer: asyncio.StreamWriter, first: bytes, rest: bytes) -> None:
    writer.write(first)
    for start in range(0, len(rest), _PIECE):
        writer.write(rest[start : start + _PIECE])
        await writer.drain()
