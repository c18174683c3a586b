"""What another server answers, handed on as it comes."""

from collections.abc import Mapping
from contextlib import aclosing
from typing import Any

from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send

from api.agentapi.requests import SIGNED_HEADERS
from api.http.incoming.requests import AnyRequest, scope_of
from api.http.outgoing.responses import Reply
from api.http.outgoing.streams import EventStream
from api.services import Services
from application.ports.managers.session_managers import ManagerStream, ManagerUnreachable
from domain.principal import Principal

_OF_A_CONNECTION = frozenset(
    {b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization",
     b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"}
)  # fmt: skip
"""They are about one connection and go no further (RFC 9110, section 7.6.1)."""
_OURS = frozenset(
    {b"authorization", b"cookie", b"host", b"content-length", b"accept-encoding", b"forwarded",
     b"expect", b"x-forwarded-user", b"x-forwarded-team", b"x-forwarded-for", b"x-forwarded-host",
     b"x-forwarded-proto", b"x-forwarded-prefix", *SIGNED_HEADERS}
)  # fmt: skip
"""What a client says to this server, and what this server says itself."""
_NOT_TOLD = frozenset({b"set-cookie", b"x-request-id", b"x-cairn-worker", b"server", b"date"})
_SMALL = 64 * 1024
_EVENTS = b"text/event-stream"


def headers_to_send(request: AnyRequest, user: str, team: str | None) -> dict[str, bytes]:
    """Return the headers that go along with a request.

    Args:
        request: As it came here.
        user: On whose behalf.
        team: The same; None is nobody's.
    """
    named = {
        name.decode("latin-1"): value
        for name, value in scope_of(request)["cairn_headers"].items()
        if name not in _OURS and name not in _OF_A_CONNECTION
    }
    named["x-forwarded-user"] = user.encode()
    if team is not None:
        named["x-forwarded-team"] = team.encode()
    return named


def target_at_manager(request: AnyRequest, remote_id: str) -> str:
    """Return the path and the query of a request with another id, and all else as it came.

    Args:
        request: Its path begins with the id of a session.
        remote_id: What the session is called there.
    """
    scope = scope_of(request)
    raw: bytes = scope["raw_path"]
    root = str(scope.get("root_path") or "").encode()
    _, _, rest = raw.removeprefix(root).lstrip(b"/").partition(b"/")
    query: bytes = scope["query_string"]
    target = f"/{remote_id}/".encode() + rest + (b"?" + query if query else b"")
    return target.decode("latin-1")


class ProxiedStream(EventStream):
    """Hands an answer on until either side has had enough; each piece goes out when it comes.

    Args:
        answer: Of the other server.
        services: Of the program.
        request_id: For a problem in the middle of the stream.
        principal: Who reads.
    """

    opening = b""

    def __init__(
        self, answer: ManagerStream, services: Services, request_id: str, principal: Principal
    ) -> None:
        super().__init__(
            answer.chunks,
            services.store.clock.now,
            request_id,
            lambda event: event.sequence,
            services.readers,
            principal,
        )
        self._answer = answer
        self.status = answer.status
        self.headers_sent = _told(answer)
        self._is_of_events = _is_of_events(dict(answer.headers))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand it on, and hang up whatever happens."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self.discard()

    async def discard(self) -> None:
        """Hang up."""
        await self._answer.close()

    def frames(self, item: Any) -> bytes:
        """Return a piece as it came."""
        chunk: bytes = item
        return chunk

    async def _send(self, send: Send) -> None:
        if self._is_of_events:
            await super()._send(send)
            return
        try:
            async with aclosing(self._items) as chunks:
                async for chunk in chunks:
                    await self._giving.give([chunk], send)
        except ManagerUnreachable:
            return  # whoever reads must not take this for the end: the connection is cut
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def handed_on(
    answer: ManagerStream, services: Services, request_id: str, principal: Principal
) -> ASGIResponse:
    """Return an answer of another server: a small one as a whole, others as they come.

    Args:
        answer: Of the other server.
        services: Of the program.
        request_id: For a problem in the middle of it.
        principal: Who reads.

    Raises:
        ManagerUnreachable: It ended too early.
    """
    headers = dict(answer.headers)
    length = headers.get(b"content-length", b"")
    if _is_of_events(headers) or not length.isdigit() or int(length) > _SMALL:
        return ProxiedStream(answer, services, request_id, principal)
    try:
        reply = Reply(b"".join([chunk async for chunk in answer.chunks]), status=answer.status)
    finally:
        await answer.close()
    reply.head = _told(answer)
    return reply


def _is_of_events(headers: Mapping[bytes, bytes]) -> bool:
    return headers.get(b"content-type", b"").startswith(_EVENTS)


def _told(answer: ManagerStream) -> list[tuple[bytes, bytes]]:
    return [
        (name, value)
        for name, value in answer.headers
        if name not in _OF_A_CONNECTION and name not in _NOT_TOLD
    ]
