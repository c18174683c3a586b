"""Somebody whom webhooks tell: `python -m bench.receiver PORT`, a process of its own.

`POST` anything is counted and answered 204; `GET /` says how many events came, in which deliveries,
and whether their positions rose by one each time.
"""

import asyncio
import re
import sys
from time import time
from typing import cast

import msgspec
import uvloop

from bench.wire import HOST

_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)


class _Event(msgspec.Struct):
    position: int


class _Delivery(msgspec.Struct):
    events: list[_Event]


class Seen(msgspec.Struct):
    """What has come."""

    events: int = 0
    deliveries: int = 0
    last: int = 0
    gaps: int = 0
    newest_at: float = 0.0


_decode = msgspec.json.Decoder(_Delivery).decode
_seen = Seen()


class _Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._buffer[:end])
            length = _LENGTH.search(head)
            stop = end + 4 + (int(length[1]) if length else 0)
            if len(self._buffer) < stop:
                return
            body = bytes(self._buffer[end + 4 : stop])
            del self._buffer[:stop]
            self._transport.write(_answer(head, body))


def _answer(head: bytes, body: bytes) -> bytes:
    if head.startswith(b"GET"):
        said = msgspec.json.encode(_seen)
        return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(said), said)
    for event in _decode(body).events:
        if _seen.last and event.position != _seen.last + 1:
            _seen.gaps += 1
        _seen.last = event.position
        _seen.events += 1
    _seen.deliveries += 1
    _seen.newest_at = time()
    return b"HTTP/1.1 204 No Content\r\n\r\n"


async def _serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Connection, HOST, port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
