"""What a browser may do here on behalf of a page: nothing, unless the page's origin is allowed.

A page that somebody visits can have the browser send requests to a server on the same machine. Two
ways are closed. A request that changes something and comes from another site is refused, by
`Sec-Fetch-Site`, or by `Origin` where the browser does not send that. A name of the attacker that
points to this machine (DNS rebinding) makes the page same-origin; so a server that asks for no
token and is reached over the loopback interface answers to names of this machine only.
"""

import ipaddress
import re
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from functools import lru_cache
from typing import Any, cast

from litestar.response.base import ASGIResponse
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from api.http.outgoing.problems import Problem

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_OUR_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
_PREFLIGHT_SECONDS = b"600"
_EXPOSED = (
    b"ETag, Location, Link, Retry-After, Idempotent-Replayed, X-Request-Id, Allow,"
    b" WWW-Authenticate, RateLimit, RateLimit-Policy, Accept-Ranges, Content-Range, Repr-Digest,"
    b" X-Session-Managers-Unreachable"
)


_NAME = r"(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])"
_HOST = re.compile(_NAME, re.IGNORECASE)
_ORIGIN = re.compile(rf"([a-z][a-z0-9+.-]*)://{_NAME}(?::([1-9][0-9]{{0,4}}))?")
_USUAL_PORTS = {"http": "80", "https": "443"}


def require_origins(names: Iterable[str]) -> None:
    """Refuse what no browser sends as the origin of a page, so that it would allow nothing.

    Args:
        names: Such as `https://console.example.com`.

    Raises:
        ValueError: One is none, or `null`, which any page can have.
    """
    for name in names:
        found = _ORIGIN.fullmatch(name)
        if found is None or found[2] == _USUAL_PORTS.get(found[1], ""):
            raise ValueError(
                f"{name[:200]!r} is no origin as browsers send it, such as https://a.example or"
                " http://localhost:3000: in lower case, without a path, a `*` or the usual port"
            )


def require_hosts(names: Iterable[str]) -> None:
    """Refuse what is no name of a server.

    Args:
        names: Such as `cairn.internal`.

    Raises:
        ValueError: One is none.
    """
    for name in names:
        if not _HOST.fullmatch(name):
            raise ValueError(
                f"{name[:200]!r} is no name of a server, such as cairn.internal: without a scheme,"
                " a port or a `*`"
            )


class SiteGuard:
    """An ASGI app for requests in front of another one, for what browsers do.

    Args:
        app: What answers.
        answer_error: Returns the answer to a request that is refused, by its scope and why.
        asks_for_token: Tells whether every request needs a token, which no page of another site
            has.
        hosts: Names by which the server is reached beside those of this machine.
        origins: Origins whose pages may use the API, such as `https://console.example.com`.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        answer_error: Callable[[HTTPScope, Exception], ASGIResponse],
        asks_for_token: Callable[[], bool],
        hosts: Collection[str] = (),
        origins: Collection[str] = (),
    ) -> None:
        self._app = app
        self._answer_error = answer_error
        self._asks_for_token = asks_for_token
        self._hosts = _OUR_NAMES | {host.lower() for host in hosts}
        self._origins = frozenset(origin.encode() for origin in origins)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Refuse what no page may do, and let allowed origins read the answer."""
        fields: Any = scope
        headers: Mapping[bytes, bytes] = fields["cairn_headers"]
        origin = headers.get(b"origin")
        is_allowed = origin is not None and origin in self._origins
        refused = self._refusal(fields, headers, is_allowed=is_allowed)
        if refused is not None:
            return self._answer_error(fields, refused)(scope, receive, send)
        if not self._origins:
            return self._app(scope, receive, send)
        if is_allowed and b"access-control-request-method" in headers:
            return _answer_preflight(cast("bytes", origin), headers, send)
        return self._app(scope, receive, _with_cors(send, origin if is_allowed else None))

    def _refusal(
        self, scope: HTTPScope, headers: Mapping[bytes, bytes], *, is_allowed: bool
    ) -> Problem | None:
        name = _name_in(headers.get(b"host", b""))
        if (
            name not in self._hosts
            and not self._asks_for_token()
            and _is_reached_over_loopback(scope)
        ):
            return Problem(
                "host_not_allowed",
                "this server answers to names of this machine only; call it localhost, name the"
                " host in CAIRN_ALLOWED_HOSTS, or have it ask for a token",
                host=name[:255],
            )
        if scope["method"] in _SAFE or is_allowed:
            return None
        site, origin = headers.get(b"sec-fetch-site"), headers.get(b"origin")
        if site is not None:
            is_ours = site in (b"same-origin", b"none")
        else:
            is_ours = origin is None or _is_of_host(origin, scope, headers)
        if is_ours:
            return None
        return Problem(
            "cross_site",
            "a page of another site may not change anything here; name its origin in"
            " CAIRN_ALLOWED_ORIGINS if it is yours",
        )


def _is_of_host(origin: bytes, scope: HTTPScope, headers: Mapping[bytes, bytes]) -> bool:
    shown: str = cast("dict[str, Any]", scope).get("cairn_host", "")
    # `null`, the origin of pages that have none, is of no host, not even of one without a name.
    named = origin.partition(b"://")[2] or None
    return named is not None and named in (headers.get(b"host"), shown.encode())


_LONGEST_KEPT = 300
"""Of a Host header: names have 253 characters at most, and heads 64 KiB."""


def _name_in(host: bytes) -> str:
    """Return the name in a Host header, without the port."""
    return _kept_name_in(host) if len(host) <= _LONGEST_KEPT else _kept_name_in.__wrapped__(host)


# Both are asked at every request, and nearly always of the same few values.
@lru_cache(1024)
def _kept_name_in(host: bytes) -> str:
    text = host.decode("latin-1").lower()
    name, _, port = text.rpartition(":")
    return name if port.isdigit() else text


@lru_cache(1024)
def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _is_reached_over_loopback(scope: HTTPScope) -> bool:
    server = scope["server"]
    # A Unix socket has no port.
    return server is not None and server[1] is not None and _is_loopback(server[0])


def _with_cors(send: Send, origin: bytes | None) -> Send:
    def answer(message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            more = [(b"vary", b"Origin")]
            if origin is not None:
                more += [
                    (b"access-control-allow-origin", origin),
                    (b"access-control-expose-headers", _EXPOSED),
                ]
            message["headers"] = [*message["headers"], *more]
        return send(message)

    return answer


async def _answer_preflight(origin: bytes, headers: Mapping[bytes, bytes], send: Send) -> None:
    """Tell a browser what the pages of an allowed origin may send."""
    wanted = headers.get(b"access-control-request-headers", b"")
    allowed = [
        (b"access-control-allow-origin", origin),
        (b"access-control-allow-methods", b"GET, HEAD, POST, PUT, PATCH, DELETE"),
        (b"access-control-allow-headers", wanted),
        (b"access-control-max-age", _PREFLIGHT_SECONDS),
        (b"vary", b"Origin, Access-Control-Request-Headers"),
    ]
    await send({"type": "http.response.start", "status": 204, "headers": allowed})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
