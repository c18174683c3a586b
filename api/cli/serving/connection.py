"""uvicorn's HTTP connection with limits, and without a timer for each answer.

uvicorn has no limit for the bytes of a head nor for the time of a head or a body, and hangs up on a
client that is still sending, which then never reads why. How it answers: `answer.py`.
"""

import asyncio
import sys
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.cli.serving.answer import make_ours
from api.cli.serving.connection_guard import ConnectionGuard, refusal
from api.cli.serving.gathering import Gathering
from api.http.around.middleware import ANSWERED
from api.http.around.request_ids import request_id_of

_TLS_HANDSHAKE = b"\x16\x03"
_ONCE = frozenset(
    {
        b"authorization",
        b"cairn-actor",
        b"cairn-causation",
        b"content-type",
        b"idempotency-key",
        b"last-event-id",
        b"origin",
        b"range",
        b"sec-fetch-site",
    }
)
"""Headers that say one thing (RFC 9110, section 5.3)."""
_REST_OF_A_HEAD = 8 * 1024 * 1024
"""The most bytes that are thrown away of a head that is too large, so that its refusal is read."""


class Connection(HttpToolsProtocol):
    """A connection that is refused, or ended, when it takes more than it may.

    Args:
        guard: Says what it may take.
        **uvicorn: What uvicorn gives its own connections.
    """

    def __init__(self, guard: ConnectionGuard, **uvicorn: Any) -> None:
        super().__init__(**uvicorn)
        self._guard = guard
        self._limits = guard.limits
        self._peer: str | None = None
        self._is_admitted = False
        self._room = guard.limits.head_bytes
        self._in_head = True
        self._is_tls = False
        self._since: float | None = None
        """When the head, the body or the rest that is awaited began; None when nothing is."""
        self._received = 0
        self._has_request = False
        self._taken, self._taken_at = 0, 0.0
        """What the client had taken when it last took something, and when that was."""
        self._idle_since: float | None = None
        """When it was answered, until more comes."""
        self._rest: int | None = None
        """The bytes that may still be thrown away; None unless this connection lingers."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to serve a client, unless there are too many."""
        super().connection_made(Gathering(transport, self.loop, self._linger))
        self._since = self.loop.time()
        self._peer = self.client[0] if self.client else None
        self._is_admitted = self._guard.admit(self._peer, self._since)
        if not self._is_admitted:
            self._refuse(503, "Service Unavailable", "busy", "too many connections; try again")
            self._hang_up()

    def connection_lost(self, exc: Exception | None) -> None:
        """Count it out."""
        self._guard.leave(self._peer, was_admitted=self._is_admitted)
        self._is_admitted = False
        super().connection_lost(exc)
        # The request, its transport and this hold each other: what they have would wait for the
        # collector, which comes seldom.
        self._gathering.part()
        self.cycle = self.scope = None  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """Take bytes, of a head no more than it may have."""
        self._idle_since = None
        if data.startswith(_TLS_HANDSHAKE) and self._in_head:
            self._is_tls = True
        if self._rest is not None:
            self._rest -= len(data)
            if self._rest < 0:
                self._hang_up()
        elif not self._in_head:
            self._received += len(data)
            super().data_received(data)
        elif len(data) < self._room:
            self._room -= len(data)
            super().data_received(data)
        else:
            room, self._room = self._room, 0
            super().data_received(data[:room])
            if self._in_head and self._rest is None:
                self._refuse(
                    431,
                    "Request Header Fields Too Large",
                    "head_too_large",
                    f"request line and headers take at most {self._limits.head_bytes} bytes",
                    # To read one of 100 MB to its end would keep others waiting.
                    rest=_REST_OF_A_HEAD,
                )
            elif not self.transport.is_closing():
                self.data_received(data[room:])

    def _unsupported_upgrade_warning(self) -> None:
        """Answer in HTTP/1.1, as RFC 9110 has it (7.8); any client could fill the log with this."""

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - it says nothing of the fault
        """Refuse what is no HTTP, or a method that HTTP's parser does not know."""
        if self._rest is not None:
            return  # the parser may also stop at a head that was refused for what it says
        if self._is_tls:
            detail = "this port speaks HTTP without TLS; call it with http://"
            self._refuse(400, "Bad Request", "malformed_request", detail)
        elif isinstance(sys.exception(), httptools.HttpParserInvalidMethodError):
            detail = "no path takes this method"
            self._refuse(501, "Not Implemented", "not_implemented", detail)
        else:
            detail = "this is no request of HTTP/1.1"
            self._refuse(400, "Bad Request", "malformed_request", detail)

    def eof_received(self) -> None:
        """Hang up when there is no more to throw away."""
        if self._rest is not None:
            self._hang_up()

    def on_message_begin(self) -> None:
        """Begin to wait for a head."""
        if self._rest is None:
            super().on_message_begin()
            self._since = self.loop.time()

    def on_headers_complete(self) -> None:
        """Look at what every request must have, then wait for its body."""
        if self._rest is not None:
            return
        self._in_head = False
        self._since, self._received = self.loop.time(), 0
        hosts, codings = 0, b""
        singles: dict[bytes, bytes] = {}
        for name, value in self.headers:
            if name == b"host":
                hosts += 1
            elif name == b"transfer-encoding":
                codings += b"," + value.lower() if codings else value.lower()
            elif name in _ONCE and singles.setdefault(name, value) != value:
                # Which of them counts, a proxy before us may see otherwise.
                detail = f"the header {name.decode()} is there twice, with two values"
                self._refuse(400, "Bad Request", "malformed_header", detail)
                return
        version = self.parser.get_http_version() if self.parser else ""
        if hosts > 1 or (hosts == 0 and version == "1.1"):
            # RFC 9112, section 3.2.
            detail = "send exactly one Host header"
            self._refuse(400, "Bad Request", "malformed_header", detail)
            return
        if codings.strip() not in (b"", b"chunked"):
            # RFC 9112, section 6.1: what is in the body would be taken for something else.
            detail = "the body may be chunked and otherwise has to come as it is"
            self._refuse(501, "Not Implemented", "not_implemented", detail)
            return
        super().on_headers_complete()
        self._has_request = True
        make_ours(self.cycle, version)

    def on_message_complete(self) -> None:
        """The next bytes are those of another head."""
        if self._rest is not None:
            return
        self._in_head, self._room, self._since = True, self._limits.head_bytes, None
        if self._has_request:
            super().on_message_complete()

    def on_body(self, body: bytes) -> None:
        """Pass a part of the body on."""
        if self._has_request and self._rest is None:
            super().on_body(body)

    def on_response_complete(self) -> None:
        """Serve what has come already, or wait for more: without a timer, which each would pay."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self.flow.read_paused:
            self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        else:
            self._idle_since = self.loop.time()

    def is_late(self, now: float) -> bool:
        """Return whether a head, a body, a rest, or the client with its answer takes too long."""
        if self._stands_still(now):
            return True
        if self._since is None:
            return self._is_idle(now)
        seconds = now - self._since
        if self._rest is not None:
            return seconds > self._limits.rest_seconds
        if seconds <= self._limits.head_seconds:
            return False
        if self._in_head:
            return True
        if self.flow.read_paused or not self._has_request or self.cycle.response_complete:
            # It is not the client who is slow.
            self._since, self._received = now, 0
            return False
        if self._received < seconds * self._limits.body_rate:
            return True
        # What came fast is no credit for standing still, which keeps memory from others.
        self._since, self._received = now, 0
        return False

    @property
    def waits_for_client(self) -> bool:
        """Whether the client has not taken what there is for it, or not sent all of a request."""
        if self._gathering.has_more or self._rest is not None:
            return True
        return not self._in_head

    def end_late(self) -> None:
        """Say that it took too long, where no answer has begun, and hang up."""
        if self._gathering.has_more:
            # Closing would first wait until it has taken everything.
            self.transport.abort()
            return
        is_answering = self._has_request and not self._in_head and self.cycle.response_started
        if self._rest is None and not is_answering and self._since is not None:
            if self._has_request and not self._in_head:
                # Whoever waits for the body answers that it has ended, which nobody reads.
                told: dict[str, Any] = self.scope  # type: ignore[assignment]
                told[ANSWERED] = 408
            self._refuse(408, "Request Timeout", "request_timeout", "the request came too slowly")
        self._hang_up()

    def _is_idle(self, now: float) -> bool:
        """Return whether it has been open for nothing for as long as it may."""
        if self._idle_since is None or self._gathering.has_more:
            return False
        return now - self._idle_since > self._guard.idle_seconds(self._peer)

    def _stands_still(self, now: float) -> bool:
        """Return whether the client has taken nothing of what there is for it for too long."""
        gathering = self._gathering
        if not gathering.has_more or gathering.taken != self._taken:
            self._taken, self._taken_at = gathering.taken, now
            return False
        return now - self._taken_at > self._limits.stalled_seconds

    def _linger(self) -> bool:
        """Wait for the client to end what it sends, so that it reads the answer; say if so."""
        if self._rest is not None:
            return True
        if self._in_head or not self._has_request:
            return False
        if not (self.cycle.more_body and self.cycle.response_complete):
            return False
        self._throw_rest_away(self._limits.rest_bytes)
        return True

    def _throw_rest_away(self, most: int) -> None:
        self._rest, self._since = most, self.loop.time()
        self.flow.resume_reading()
        self.transport.write_eof()

    def _refuse(
        self, status: int, title: str, code: str, detail: str, *, rest: int | None = None
    ) -> None:
        given = next((value for name, value in self.headers or () if name == b"x-request-id"), b"")
        self.transport.write(refusal(status, title, code, detail, request_id_of(given)))
        self._throw_rest_away(self._limits.rest_bytes if rest is None else rest)

    def _hang_up(self) -> None:
        self._gathering.hang_up()

    @property
    def _gathering(self) -> Gathering:
        gathering = self.transport
        assert isinstance(gathering, Gathering)  # noqa: S101 - made in connection_made
        return gathering
