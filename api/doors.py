"""Doors: the ways into the program, each with its own routes, authentication and errors.

A door is a value. What is around all of them (`api/http/around/middleware.py`) knows neither tokens
nor actors nor the body of an error, and what goes wrong in one door is answered by that door.
"""

import logging
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import KW_ONLY, dataclass
from typing import Any, cast
from urllib.parse import unquote_to_bytes

from litestar.exceptions import ClientException
from litestar.response.base import ASGIResponse
from litestar.types import HTTPScope, Message, Receive, Scope, Send

from api.http.around.authorization import authorize
from api.http.around.limits import is_limited, take_bytes, take_request
from api.http.incoming.addresses import resolve_session
from api.http.incoming.requests import HttpRequest
from api.http.outgoing.compression import SMALLEST, compressed
from api.http.outgoing.downloads import Download
from api.http.outgoing.giving import Readers
from api.http.outgoing.responses import Reply
from api.http.outgoing.streams import EventStream
from api.http.routing import Route, Router, RoutingError
from application.commands.request import BY_ITSELF, RequestOrigin
from application.errors import Overloaded
from application.limits.limiter import Limiter
from application.patience import SharedPatience, Waited
from domain.principal import Principal

_logger = logging.getLogger("cairn.http")
_SESSION_PATH = re.compile(r"/[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?:/|$)")


Authenticate = Callable[[HttpRequest], Awaitable[Principal]]
AnswerError = Callable[[Exception, str], ASGIResponse]


@dataclass(frozen=True, slots=True)
class Door:
    """One way into the program.

    Args:
        name: For people, and for the log of the server.
        prefix: What its paths begin with, such as `/a2a`; empty for all that no other door has.
        more: Other beginnings of its paths.
        shared: The same, where another open door may have them too: the first of these doors does.
        routes: With their whole paths.
        authenticate: Returns who asks, or refuses by raising; asked before a route is looked for.
        answer_error: Returns the answer to a request that raised, by the error and the request id.
        origin: The word that events have which came in by it.
        has_session_paths: It has all paths that begin with the id of a session, `/<UUID>/...`.
        enabled: Closed doors have no paths.
    """

    name: str
    prefix: str
    _: KW_ONLY
    routes: tuple[Route, ...]
    authenticate: Authenticate
    answer_error: AnswerError
    origin: RequestOrigin
    more: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    has_session_paths: bool = False
    enabled: bool = True

    @property
    def prefixes(self) -> tuple[str, ...]:
        """All beginnings of its paths, those that it may have to leave to another door aside."""
        return (self.prefix, *self.more)


class Doors:
    """The ASGI app of all doors that are open.

    Args:
        doors: The longest prefix is tried first; of two doors that share one, the first has it.

    Raises:
        RoutingError: Two doors have one prefix, a route lies outside its door, an origin is not
            that of a door, or routes of a door cannot be told apart.
    """

    def __init__(self, doors: Iterable[Door]) -> None:
        opened = [(door, _router_of(door)) for door in doors if door.enabled]
        by_prefix = [(prefix, *one) for one in opened for prefix in one[0].prefixes]
        taken = {prefix for prefix, _, _ in by_prefix}
        if len(taken) < len(by_prefix):
            raise RoutingError("two doors have the same prefix")
        for one in opened:
            by_prefix += [(prefix, *one) for prefix in one[0].shared if prefix not in taken]
            taken.update(one[0].shared)
        self._doors = sorted(by_prefix, key=lambda one: -len(one[0]))
        self._of_session_paths = next((one for one in opened if one[0].has_session_paths), None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        fields: Any = scope
        found = self._find(fields["path"])
        answer: ASGIResponse
        if found is None:
            answer = Reply(b"", status=404)
        else:
            door, router = found
            request = HttpRequest(scope, receive)
            with SharedPatience(Waited()):
                try:
                    _require_text(fields)
                    fields["cairn_origin"] = door.origin
                    principal = fields["cairn_principal"] = await door.authenticate(request)
                    if "cairn_body" in fields:
                        await take_bytes(request, len(fields["cairn_body"]))
                    route = router.find(fields)
                    fields["cairn_route"] = route.path
                    if route.right is not None and is_limited(request, "requests"):
                        await take_request(request, principal)
                    resolving = resolve_session(request, principal)
                    if resolving is not None:
                        await resolving
                    allowing = authorize(request, route, principal)
                    if allowing is not None:
                        await allowing
                    answer = await route.answer(request)
                    if not isinstance(answer, Reply) or answer.is_large:
                        await _admit(answer, fields, principal)
                except Exception as error:  # noqa: BLE001 - a door answers for whatever happens in it
                    answer = _error_of(door, error, fields["cairn_request_id"])
        if isinstance(answer, Reply) and answer.size >= SMALLEST:
            answer = await compressed(answer, fields)
        # What fails after the answer has begun can only be cut off, by the server.
        if fields["method"] == "HEAD" or "cairn_counted_stream" in fields:
            await _send_as_asked(answer, scope, receive, send)
        else:
            await answer(scope, receive, send)

    def answer_error(self, scope: HTTPScope, error: Exception) -> ASGIResponse:
        """Return what the door of a path answers to an error that came before it.

        Args:
            scope: Of the request.
            error: What went wrong.
        """
        found = self._find(scope["path"])
        if found is None:
            return Reply(b"", status=404)
        return _error_of(found[0], error, cast("dict[str, Any]", scope)["cairn_request_id"])

    def _find(self, path: str) -> tuple[Door, Router] | None:
        for prefix, door, router in self._doors:
            if not prefix and self._of_session_paths is not None and _SESSION_PATH.match(path):
                return self._of_session_paths
            if path.startswith(prefix) and (not prefix or path[len(prefix) :][:1] in ("", "/")):
                return door, router
        return None


def _error_of(door: Door, error: Exception, request_id: str) -> ASGIResponse:
    try:
        return door.answer_error(error, request_id)
    except Exception:
        _logger.exception("the door %s cannot answer an error", door.name)
        return Reply(b"", status=500)


async def _admit(answer: ASGIResponse, scope: dict[str, Any], principal: Principal) -> None:
    """Refuse what takes long to send, while too much is being sent."""
    if isinstance(answer, EventStream):
        await _count(answer, scope, principal)
    elif isinstance(answer, Download | Reply):
        await _require_room(answer, scope)


async def _count(answer: EventStream, scope: dict[str, Any], principal: Principal) -> None:
    limiter: Limiter = scope["cairn"].limiter
    try:
        if await limiter.open_stream(principal):
            scope["cairn_counted_stream"] = principal
    except Exception:
        await answer.discard()
        raise


async def _require_room(answer: Download | Reply, scope: dict[str, Any]) -> None:
    """Refuse a read while others have not taken what they were given, and there is no room."""
    if scope["method"] not in ("GET", "HEAD"):
        return  # what was asked for may be done
    readers: Readers = scope["cairn"].readers
    try:
        readers.require_room()
    except Overloaded:
        if isinstance(answer, Download):
            await answer.discard()
        raise


def _require_text(scope: dict[str, Any]) -> None:
    """Refuse a path or a query that is not UTF-8: two of those would become the same name."""
    path: bytes | None = scope.get("raw_path")
    if path and (b"%" in path or not path.isascii()):
        _require_utf8("path", path)
    query: bytes = scope["query_string"]
    if query and (b"%" in query or not query.isascii()):
        _require_utf8("query", query)


def _require_utf8(part: str, raw: bytes) -> None:
    try:
        unquote_to_bytes(raw).decode()
    except UnicodeDecodeError as wrong:
        byte = wrong.object[wrong.start]
        raise ClientException(f"the {part} is not UTF-8: byte 0x{byte:02x}") from None


async def _send_as_asked(answer: ASGIResponse, scope: Scope, receive: Receive, send: Send) -> None:
    """Send the head alone, or a stream that counts until it ends."""
    fields: Any = scope
    try:
        if fields["method"] == "HEAD":
            await _send_head(answer, scope, receive, send)
        else:
            await answer(scope, receive, send)
    finally:
        if "cairn_counted_stream" in fields:
            limiter: Limiter = fields["cairn"].limiter
            await limiter.close_stream(fields["cairn_counted_stream"])


class _HeadSent(Exception):
    """Ends an answer of which only the head is wanted."""


async def _send_head(answer: ASGIResponse, scope: Scope, receive: Receive, send: Send) -> None:
    async def head_only(message: Message) -> None:
        await send(message)
        if message["type"] == "http.response.start":
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            raise _HeadSent

    try:
        await answer(scope, receive, head_only)
    except _HeadSent:
        return


def _router_of(door: Door) -> Router:
    if door.origin in BY_ITSELF:
        raise RoutingError(f"{door.name}: {door.origin} is what the server does by itself")
    for route in door.routes:
        prefixes = (*door.prefixes, *door.shared)
        if door.has_session_paths and route.path.startswith("/{"):
            continue
        if not any(f"{route.path}/".startswith(f"{prefix}/") for prefix in prefixes):
            raise RoutingError(f"{door.name}: {route.path} does not begin with {door.prefix}")
    return Router(door.routes)


def origin_of(request: HttpRequest) -> RequestOrigin:
    """Return the word of the door by which a request came in."""
    origin: RequestOrigin = request.scope["cairn_origin"]
    return origin
