"""Around every request: its id, who asks, how long it took. Bare ASGI, because each one pays it."""

import hmac
import logging
import os
import re
from collections.abc import Iterable
from functools import cache
from random import getrandbits
from time import perf_counter
from typing import Any, cast
from urllib.parse import unquote

from litestar import Request
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send
from prometheus_client import Counter, Histogram

from api.http.problems import Problem, respond
from api.http.requests import SLASH_IN_A_NAME
from api.v1.services import Services

_REQUESTS = Counter("cairn_http_requests_total", "Requests answered.", ["method", "status"])
_SECONDS = Histogram(
    "cairn_http_request_seconds",
    "Time to answer, streams and long polls left out.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:/+=-]{1,100}")
_SLASH = re.compile("%2f", re.IGNORECASE)
_OPEN_PATHS = frozenset({"/health", "/ready", "/version"})
_SLOW_SECONDS = 1.0
_ANONYMOUS, _BEARER = "anonymous", "bearer"

_logger = logging.getLogger("cairn.http")


@cache
def _counter(method: str, status: int) -> Counter:
    return _REQUESTS.labels(method, status)


def _path_of(raw: bytes) -> str:
    """Return a path in which the slash of an id does not part it."""
    return SLASH_IN_A_NAME.join(map(unquote, _SLASH.split(raw.decode("latin-1"))))


def _security(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return what keeps browsers and proxies from guessing at an answer, and from keeping it."""
    names = {name.lower() for name, _ in headers}
    kept = b"private, no-cache" if b"etag" in names else b"no-store"
    wanted = ((b"x-content-type-options", b"nosniff"), (b"cache-control", kept))
    return [one for one in wanted if one[0] not in names]


class RequestMiddleware:
    """The outermost ASGI app.

    Args:
        app: What answers.
        token: The bearer token that is asked for; None asks for none.
        access_log: Log every request, not only those that fail or are slow.
    """

    def __init__(self, app: ASGIApp, *, token: str | None, access_log: bool) -> None:
        self._app = app
        self._token = None if token is None else token.encode()
        self._access_log = access_log
        self._worker = str(os.getpid()).encode()
        self.services: Services | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and look at its answer."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        began = perf_counter()
        raw: bytes = cast("dict[str, Any]", scope).get("raw_path") or b""
        if b"%2" in raw:
            scope = {**scope, "path": _path_of(raw)}
        extra = cast("dict[str, Any]", scope)
        # Kept, because a mounted app gets its own idea of the path.
        path = extra["cairn_path"] = scope["path"]
        headers = dict(scope["headers"])
        request_id = headers.get(b"x-request-id", b"")
        if not _REQUEST_ID.fullmatch(request_id):
            # A name for one line of a log, not a secret: a system call each would be a waste.
            request_id = b"%024x" % getrandbits(96)
        extra["cairn"] = self.services
        extra["cairn_headers"] = headers
        extra["cairn_request_id"] = request_id.decode()
        extra["cairn_actor"] = _ANONYMOUS if self._token is None else _BEARER
        status = 0
        streamed = False

        async def answer(message: Message) -> None:
            nonlocal status, streamed
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message["headers"],
                    *_security(message["headers"]),
                    (b"x-request-id", request_id),
                    (b"x-cairn-worker", self._worker),
                ]
            elif message.get("more_body"):
                streamed = True
            await send(message)

        is_preflight = b"access-control-request-method" in headers and scope["method"] == "OPTIONS"
        if self._token is not None and not (is_preflight or self._allowed(path, headers)):
            problem = Problem("unauthorized", "send the header `Authorization: Bearer <token>`")
            request: Request[Any, Any, Any] = Request(scope)
            refusal = respond(problem, request_id.decode())
            send_refusal = refusal.to_asgi_response(None, request)  # pyright: ignore[reportUnknownMemberType]
            await send_refusal(scope, receive, answer)
        else:
            await self._app(scope, receive, answer)
        seconds = perf_counter() - began
        _counter(scope["method"], status).inc()
        if not streamed and b"wait=" not in scope["query_string"]:
            _SECONDS.observe(seconds)
            if seconds > _SLOW_SECONDS or status >= 500 or self._access_log:
                self._log(scope, path, status, seconds, request_id)

    def _allowed(self, path: str, headers: dict[bytes, bytes]) -> bool:
        if path in _OPEN_PATHS:
            return True
        scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
        assert self._token is not None  # noqa: S101 - the caller looked
        return scheme.lower() == b"bearer" and hmac.compare_digest(given.strip(), self._token)

    def _log(
        self, scope: HTTPScope, path: str, status: int, seconds: float, request_id: bytes
    ) -> None:
        fields = {
            "method": scope["method"],
            "path": path,
            "status": status,
            "ms": round(seconds * 1000, 1),
            "request_id": request_id.decode(),
        }
        level = logging.ERROR if status >= 500 else logging.INFO
        _logger.log(level, "request", extra={"fields": fields})
