"""What another server is asked and answers, handed on as it comes."""

import re
from collections.abc import Iterable, Mapping
from contextlib import aclosing
from urllib.parse import unquote

from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send

from api.agentapi.requests import SIGNED_HEADERS, Refusal
from api.http.around.authorization import require_right
from api.http.incoming.requests import HttpRequest
from api.http.outgoing.problems import Problem
from api.http.outgoing.responses import Reply
from api.http.outgoing.streams import EventStream
from api.services import Services
from application.ports.managers.session_managers import Headers, ManagerStream, ManagerUnreachable
from domain.principal import Principal

_OF_A_CONNECTION = frozenset(
    {b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization",
     b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"}
)  # fmt: skip
"""They are about one connection and go no further (RFC 9110, section 7.6.1)."""
_OURS = frozenset(
    {b"authorization", b"cookie", b"host", b"content-length", b"accept-encoding", b"forwarded",
     b"expect", b"origin", b"x-real-ip", *SIGNED_HEADERS}
)  # fmt: skip
"""What a client says to this server, and what this server says itself."""
_OURS_BEGIN = (b"x-forwarded-", b"access-control-", b"sec-fetch-")
"""The same: what proxies claim, and what browsers say of the page that asks."""
_NOT_TOLD = frozenset({b"set-cookie", b"x-request-id", b"x-cairn-worker", b"server", b"date"})
_WITHOUT_BODY = (204, 304)
_SMALL = 64 * 1024
_EVENTS = b"text/event-stream"
_CLIMBS = re.compile(r"(?:^|[/\\])\.\.?(?:[/\\;]|$)")


def headers_to_send(request: HttpRequest, user: str, team: str | None) -> Headers:
    """Return the headers that go along with a request.

    Args:
        request: As it came here.
        user: On whose behalf.
        team: The same; None is nobody's.
    """
    # Some servers take an underscore for a dash.
    named = [
        (name, value)
        for name, value in _beyond_a_connection(request.scope["headers"])
        if (plain := name.replace(b"_", b"-")) not in _OURS and not plain.startswith(_OURS_BEGIN)
    ]
    named.append((b"x-forwarded-user", user.encode()))
    if team is not None:
        named.append((b"x-forwarded-team", team.encode()))
    return named


def _beyond_a_connection(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Return headers in lower case without those that are about one connection, by any name."""
    given = [(name.lower(), value) for name, value in headers]
    listed = b",".join(value for name, value in given if name == b"connection")
    named = _OF_A_CONNECTION | {one.strip().lower() for one in listed.split(b",")}
    return [one for one in given if one[0] not in named]


def target_at_manager(request: HttpRequest, remote_id: str) -> str:
    """Return the path and the query of a request with another id, and all else as it came.

    Args:
        request: Its path begins with the id of a session.
        remote_id: What the session is called there.

    Raises:
        Refusal: 400, the path leads out of the session, at once or for who decodes it again.
    """
    scope = request.scope
    raw: bytes = scope["raw_path"]
    root = str(scope.get("root_path") or "").encode()
    _, _, rest = raw.removeprefix(root).lstrip(b"/").partition(b"/")
    once = unquote(rest.decode("latin-1"))
    if any(map(_CLIMBS.search, (once, unquote(once)))):
        raise Refusal(400, "a path with a step `.` or `..` is not forwarded")
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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand it on, and hang up whatever happens."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self.discard()

    async def discard(self) -> None:
        """Hang up."""
        await self._answer.close()

    async def _send(self, send: Send) -> None:
        try:
            async with aclosing(self._items) as chunks:
                async for chunk in chunks:
                    await self._giving.give([chunk], send)
        except ManagerUnreachable:
            return  # whoever reads must not take this for the end: the connection is cut
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_off(self, send: Send) -> None:
        """Cut the connection: a word of this server in the middle of a piece would change it."""


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
        Problem: 403, it is a stream of events, and whoever reads may have none.
    """
    headers = dict(answer.headers)
    is_of_events = _is_of_events(headers)
    if is_of_events:
        try:
            require_right(principal, "stream")
        except Problem:
            await answer.close()
            raise
    length = headers.get(b"content-length", b"")
    if is_of_events or not length.isdigit() or int(length) > _SMALL:
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
    names = {name for name, _ in answer.headers}
    hidden = set(_NOT_TOLD)
    if b"transfer-encoding" in names or answer.status in _WITHOUT_BODY:
        hidden.add(b"content-length")  # it is not that of the body
    return [
        (name, value)
        for name, value in _beyond_a_connection(answer.headers)
        if name not in hidden and not name.startswith(_OURS_BEGIN)
    ]
