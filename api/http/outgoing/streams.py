"""Server-sent events over bare ASGI: a stream costs a few small objects while it waits."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Any, TypeVar, cast

from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send
from prometheus_client import Gauge

from api.http.around.countdown import Countdown
from api.http.outgoing.giving import Giving, Readers, Sending, part
from api.http.outgoing.problems import Problem, document, problem_of, status_of
from api.http.outgoing.responses import record_json, to_json
from application.ports.log.events import StoredEvent
from application.ports.session.partials import Piece
from application.reads.streams.stream_items import (
    CaughtUp,
    Closed,
    Closing,
    PartialText,
    Ping,
)
from domain.principal import Principal
from domain.values import rfc3339

T = TypeVar("T")

_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]
_RETRY = b"retry: 2000\n"
"""Within the first frame: one without data is an empty event to some clients."""
GOODBYE = 0.7
"""Seconds a stream has to say goodbye when the server stops; a reader that takes none is cut."""

_OPEN = Gauge("cairn_streams_open", "Event streams open now.", multiprocess_mode="livesum")


def frame(event: StoredEvent, cursor: int) -> bytes:
    """Return an event as one frame.

    Args:
        event: What happened.
        cursor: What the reader resumes on: its sequence, or its position in the global feed.
    """
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (cursor, event.type.encode(), record_json(event))


def control(name: str, cursor: int | None, **data: Any) -> bytes:
    """Return a frame of our own, which carries the cursor so that it moves under filters."""
    head = b"" if cursor is None else b"id: %d\n" % cursor
    return head + b"event: %s\ndata: %s\n\n" % (name.encode(), to_json(data))


def piece_document(piece: Piece) -> dict[str, Any]:
    """Return a piece of a message that is being written as clients see it."""
    return {
        "type": piece.key.type,
        "kind": piece.key.kind,
        "message_id": piece.key.message_id,
        "name": piece.name,
        "index": piece.index,
        "pieces": piece.count,
        "offset": piece.offset,
        "text": piece.text,
    }


async def begun(items: AsyncGenerator[T], nothing: T) -> AsyncGenerator[T]:
    """Return what is to be streamed once its first item is known: a refusal before is no stream.

    Args:
        items: What is to be sent; whatever it raises before its first item is raised here.
        nothing: Stands for the first item where there is none.
    """
    return _from_first([await anext(items, nothing)], items)


async def _from_first(first: list[T], rest: AsyncGenerator[T]) -> AsyncGenerator[T]:
    async with aclosing(rest):
        # A reader may be slow: what they are given is not kept here as well.
        yield first.pop()
        async for item in rest:
            first.append(item)
            del item
            yield first.pop()


class EventStream(ASGIResponse):
    """Streams events until the reader hangs up or the session ends.

    Args:
        items: What to send.
        now: The clock, for pings.
        request_id: For a problem in the middle of the stream.
        cursor: The cursor of an event.
        readers: All who are being answered.
        principal: Who reads; the stream ends when they would not be let in any more.

    Raises:
        Overloaded: Other streams have all of it.
    """

    opening = _RETRY
    """What stands before the first frame."""
    status = 200
    headers_sent = _HEADERS

    def __init__(
        self,
        items: AsyncGenerator[Any],
        now: Callable[[], datetime],
        request_id: str,
        cursor: Callable[[StoredEvent], int],
        readers: Readers,
        principal: Principal,
    ) -> None:
        readers.require_room()
        super().__init__(media_type="text/event-stream")
        self._items = items
        self._now = now
        self._request_id = request_id
        self._cursor = cursor
        self._sending = Sending()
        self._readers = readers
        self._giving = Giving(readers, self._sending.cut)
        self._is_revoked = False
        self._principal = principal

    async def __call__(
        self,
        scope: Scope,  # noqa: ARG002 - ASGI
        receive: Receive,
        send: Send,
    ) -> None:
        """Send until one side has had enough."""
        await send(
            {"type": "http.response.start", "status": self.status, "headers": self.headers_sent}
        )
        _OPEN.inc()
        try:
            with self._readers.going_on(self._principal, self._revoke):
                await self._sending.send(self._send(send), receive)
        finally:
            _OPEN.dec()
        if self._is_revoked:
            await self._send_off(send)

    async def discard(self) -> None:
        """Give up what a stream holds that is never sent."""

    def _revoke(self) -> None:
        self._is_revoked = True
        self._sending.cut()

    async def _send_off(self, send: Send) -> None:
        problem = Problem("unauthorized", "the token of this stream is no longer good")
        await send(part(self.trouble(problem), more=False))

    async def _send(self, send: Send) -> None:
        opening = self.opening
        try:
            # Closed here and now, not whenever it is collected: it follows a channel.
            async with aclosing(self._items) as items:
                async for item in items:
                    body = [opening + self.frames(item)]
                    opening = b""
                    del item
                    await self._giving.give(body, send)
        except Exception as error:  # noqa: BLE001 - the stream says so, and ends whole
            await send(part(opening + self.trouble(error)))
        await send(part(b"", more=False))

    def trouble(self, error: Exception) -> bytes:
        """Return the last frame of a stream in which something went wrong."""
        problem = problem_of(error)
        status = status_of(problem.code, error)
        return control("error", None, **document(problem, status, self._request_id))

    def frames(self, item: Any) -> bytes:
        """Return an item as frames."""
        match item:
            case PartialText():
                return b"event: partial\ndata: %s\n\n" % to_json(
                    {
                        "session_id": item.session_id,
                        "turn_id": item.turn_id,
                        "partial": True,
                        **piece_document(item.piece),
                    }
                )
            case Ping():
                at = rfc3339(self._now())
                return control("ping", item.sequence, head=item.sequence, at=at)
            case CaughtUp():
                return control("caught-up", item.sequence, head=item.sequence, up_to_date=True)
            case Closed():
                return control("session.closed", item.sequence, head=item.sequence)
            case Closing():
                return control("stream.closing", item.sequence, reason=item.reason)
            case _:
                events = cast("Sequence[StoredEvent]", item)
                return b"".join([frame(event, self._cursor(event)) for event in events])


def goodbye(readers: Readers, close: Callable[[], None]) -> Callable[[], None]:
    """Return what ends all streams when the server is told to stop: they all say goodbye first.

    Args:
        readers: Of the program that stops.
        close: Lets nobody wait for anything new.
    """

    def end() -> None:
        close()
        Countdown(GOODBYE).then(readers.cut_stalled)

    return end
