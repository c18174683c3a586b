"""Around every request: its id, and how long it took. Bare ASGI, because each one pays it."""

import os
import re
from collections.abc import Awaitable, Iterable, Mapping
from time import perf_counter
from typing import Any
from urllib.parse import unquote

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from api.http.around.forwarded import Forwarding
from api.http.around.request_ids import request_id_of
from api.http.around.request_log import RequestLog
from api.http.around.tally import RequestTally
from api.http.incoming.requests import SLASH_IN_A_NAME
from api.http.routing import METHODS
from application.memory_budget import Share

_SLASH = re.compile("%2f", re.IGNORECASE)
_LISTS = frozenset({b"accept", b"accept-encoding", b"if-match", b"if-none-match"})
_NO_ROUTE = "none"
ANSWERED = "cairn_answered"
"""Where a scope says with which status the connection itself has answered."""


def _path_of(raw: bytes) -> str:
    """Return a path in which the slash of an id does not part it."""
    return SLASH_IN_A_NAME.join(map(unquote, _SLASH.split(raw.decode("latin-1"))))


def _completed(
    headers: Iterable[tuple[bytes, bytes]], scope: Mapping[str, Any]
) -> list[tuple[bytes, bytes]]:
    """Return headers with those of every answer: who may keep it, and what it varies by."""
    head = [*headers]
    names = dict(head)  # in lower case, as ASGI has them
    # Browsers and proxies are neither to guess at an answer, nor to keep it.
    if b"x-content-type-options" not in names:
        head.append((b"x-content-type-options", b"nosniff"))
    if b"cache-control" not in names:
        kept = b"private, no-cache" if b"etag" in names else b"no-store"
        head.append((b"cache-control", kept))
    vary: bytes | None = scope.get("cairn_vary")
    if vary is not None:
        head.append((b"vary", vary))
    head += scope.get("cairn_headers_of_limits", ())
    return head


def _under(root: bytes, headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return headers of which a path to something of ours is one that the client can follow."""
    return [
        (name, root + value if name == b"location" and value.startswith(b"/") else value)
        for name, value in headers
    ]


def _join_lists(headers: dict[bytes, bytes], sent: Iterable[tuple[bytes, bytes]]) -> None:
    """Make one of the lines of a header whose value is a list (RFC 9110, section 5.3)."""
    for name in _LISTS & headers.keys():
        headers[name] = b", ".join(value for other, value in sent if other == name)


class RequestMiddleware:
    """The outermost ASGI app.

    Args:
        app: What answers requests.
        lifespan: What answers everything else: the start and the end of the server.
        access_log: Log every request, not only some (`request_log.py`).
        forwarding: Reads what proxies say; None when there are none.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        lifespan: ASGIApp,
        access_log: bool,
        forwarding: Forwarding | None = None,
    ) -> None:
        self._app = app
        self._lifespan = lifespan
        self._log = RequestLog(everything=access_log)
        self._tally = RequestTally()
        self._forwarding = forwarding
        self._worker = (b"x-cairn-worker", str(os.getpid()).encode())
        self.services: object = None
        """What requests carry along for those who answer them."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and look at its answer."""
        if scope["type"] != ScopeType.HTTP:
            await self._lifespan(scope, receive, send)
            return
        began = perf_counter()
        given: Any = scope
        extra: Any = scope
        raw: bytes = extra.get("raw_path") or b""
        if b"%2" in raw:
            extra = scope = {**scope, "path": _path_of(raw)}
        sent = [*scope["headers"]]
        headers = dict(sent)
        if len(headers) < len(sent):
            _join_lists(headers, sent)
        if self._forwarding is not None:
            self._forwarding.apply(extra, headers)
        root_path: str = extra.get("root_path") or ""
        root = root_path.encode()
        request_id = request_id_of(headers.get(b"x-request-id", b""))
        extra["cairn"] = self.services
        extra["cairn_headers"] = headers
        extra["cairn_request_id"] = request_id.decode()
        status = 0
        streamed = False
        seconds: float | None = None

        def answer(message: Message) -> Awaitable[None]:
            nonlocal status, streamed, seconds
            if message["type"] == "http.response.start":
                status = message["status"]
                head = _under(root, message["headers"]) if root else message["headers"]
                added = ((b"x-request-id", request_id), self._worker)
                message["headers"] = [*_completed(head, extra), *added]
            elif "cairn_in_parts" in extra:
                # It is made; how fast its reader takes it is no matter of this server.
                seconds = seconds or perf_counter() - began
            elif message.get("more_body"):
                streamed = True
            return send(message)

        try:
            await self._app(scope, receive, answer)
        finally:
            # An idle connection keeps the scope of its last request.
            extra.pop("cairn_body", None)
            taken: int = extra.get("cairn_memory", 0)
            if taken:
                share: Share = extra["cairn_share"]
                share.count(-taken)
        if seconds is None:
            seconds = perf_counter() - began
        status = given.get(ANSWERED, status)
        route: str = extra.get("cairn_route", _NO_ROUTE)
        # Clients may make up methods and paths, but no series.
        method = scope["method"] if scope["method"] in METHODS else "other"
        lasts = streamed or b"wait=" in scope["query_string"]
        self._tally.count(method, route, status, None if lasts else seconds)
        if not lasts:
            self._log.answered(scope, status, seconds, extra["cairn_request_id"])
