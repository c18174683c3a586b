"""Routes, and the way from a path and a method to one of them.

A route is a value: a method, a path, guards, and a function of the request that returns an answer.
There is nothing to inject or to serialise, so nothing else can be asked for: what this cannot do
is an error of a type checker, or a `RoutingError` when the server starts.
"""

import re
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Protocol

from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException
from litestar.response.base import ASGIResponse

from api.http.incoming.requests import HttpRequest
from api.http.outgoing.responses import Reply
from application.patience import SharedPatience
from domain.principal import Right

Handler = Callable[[HttpRequest], Awaitable[ASGIResponse]]
Guard = Callable[[HttpRequest], Awaitable[None]]

_PARAMETER = re.compile(r"{([a-z_]+):(str|path)}")
_WORD = re.compile(r"[^{}/]+")
METHODS = frozenset(
    {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY"}
)
"""Those of RFC 9110, RFC 5789 and draft-ietf-httpbis-safe-method-w-body, as in OpenAPI 3.2."""


_OF_OPERATORS: frozenset[Right | None] = frozenset({"admin", "audit", "erase", "repair"})
"""Rights to look through much of the store, which lasts."""


class RoutingError(Exception):
    """Routes that cannot be told apart or honoured; the message says which."""


@dataclass(frozen=True, slots=True)
class Route:
    """What answers a method of a path.

    Args:
        method: In capitals.
        path: Words, `{name:str}` for one segment, and at its end `{name:path}` for all that is
            left.
        handler: Returns the answer.
        right: What a principal needs; None is open to everybody, without a token too.
        whole_store: Whether it tells of the whole store, so that only who sees all of it may ask.
        lasts: Whether it may take minutes: each of its waits has an end, all of them together none.
        guards: Asked in turn before the handler; one refuses by raising.
    """

    method: str
    path: str
    handler: Handler
    _: KW_ONLY
    right: Right | None
    whole_store: bool = False
    lasts: bool = False
    guards: tuple[Guard, ...] = ()

    def answer(self, request: HttpRequest) -> Awaitable[ASGIResponse]:
        """Return the answer to a request, if no guard refuses it."""
        if self.guards or self.lasts or self.right in _OF_OPERATORS:
            return self._answer(request)
        return self.handler(request)

    async def _answer(self, request: HttpRequest) -> ASGIResponse:
        for guard in self.guards:
            await guard(request)
        if self.lasts or self.right in _OF_OPERATORS:
            with SharedPatience(None):
                return await self.handler(request)
        return await self.handler(request)


class Declare(Protocol):
    """Makes a function the route of one method; the arguments are those of `Route`."""

    def __call__(
        self,
        path: str,
        *,
        right: Right | None,
        whole_store: bool = False,
        lasts: bool = False,
        guards: Iterable[Guard] = (),
    ) -> Callable[[Handler], Route]:
        """Return what makes a function the route of a path."""
        ...


def _declares(method: str) -> Declare:
    def declare(
        path: str,
        *,
        right: Right | None,
        whole_store: bool = False,
        lasts: bool = False,
        guards: Iterable[Guard] = (),
    ) -> Callable[[Handler], Route]:
        def route_of(handler: Handler) -> Route:
            return Route(
                method,
                path,
                handler,
                right=right,
                whole_store=whole_store,
                lasts=lasts,
                guards=tuple(guards),
            )

        return route_of

    return declare


get, post, put = _declares("GET"), _declares("POST"), _declares("PUT")
patch, delete = _declares("PATCH"), _declares("DELETE")


@dataclass(slots=True)
class _Node:
    """What a path may go on with: a word, or any value for a parameter."""

    words: dict[str, "_Node"] = field(default_factory=dict[str, "_Node"])
    parameter: str = ""
    takes_rest: bool = False
    value: "_Node | None" = None
    routes: dict[str, Route] = field(default_factory=dict[str, Route])


class Router:
    """Finds the route of a request; a word beats a parameter at the same place.

    It answers OPTIONS for every path by itself, and HEAD by the route of GET.

    Args:
        routes: All of them.

    Raises:
        RoutingError: Two have the same method and path, or name one place differently; or a path
            has something in it that this cannot honour.
    """

    def __init__(self, routes: Collection[Route]) -> None:
        self._root = _Node()
        self._methods = {route.method for route in routes}
        for route in routes:
            node = self._grow(route.path)
            if route.method in node.routes:
                raise RoutingError(f"{route.method} {route.path} is there twice")
            node.routes[route.method] = route

    def find(self, scope: dict[str, Any]) -> Route:
        """Return the route of a request, and put the values of its path into `path_params`.

        Args:
            scope: Of the request.

        Raises:
            NotFoundException: There is no such path.
            MethodNotAllowedException: The path does not take the method.
            HTTPException: 501, no path takes the method.
        """
        method: str = scope["method"]
        path: str = scope["path"]
        if method not in METHODS:
            raise HTTPException(status_code=501)
        if path == "*" and method == "OPTIONS":
            scope["path_params"] = {}
            # RFC 9110, section 9.3.7: it asks the server as a whole, such as whether it is there.
            return _options("*", ", ".join(sorted({*self._methods, "HEAD", "OPTIONS"})))
        node = self._root
        parameters: dict[str, str] = {}
        segments = path.strip("/").split("/")
        for at, segment in enumerate(segments):
            child = node.words.get(segment)
            if child is None:
                if node.value is None or not segment:
                    raise NotFoundException
                child = node.value
                if node.takes_rest:
                    parameters[node.parameter] = "/".join(segments[at:])
                    node = child
                    break
                parameters[node.parameter] = segment
            node = child
        if not node.routes:
            raise NotFoundException
        found = node.routes.get("GET" if method == "HEAD" else method)
        if found is None:
            heads = {"HEAD"} if "GET" in node.routes else set[str]()
            allow = ", ".join(sorted({*node.routes, *heads, "OPTIONS"}))
            if method != "OPTIONS":
                raise MethodNotAllowedException(
                    f"this path takes {allow} only", headers={"Allow": allow}
                )
            # By the names of its places: what stands in them is nobody's business.
            found = _options(next(iter(node.routes.values())).path, allow)
        scope["path_params"] = parameters
        return found

    def _grow(self, path: str) -> _Node:
        node = self._root
        if not path.startswith("/"):
            raise RoutingError(f"{path} must begin with a slash")
        segments = path.strip("/").split("/")
        for at, segment in enumerate(segments):
            if _WORD.fullmatch(segment) or path == "/":
                node = node.words.setdefault(segment, _Node())
                continue
            parameter = _PARAMETER.fullmatch(segment)
            if parameter is None:
                raise RoutingError(
                    f"{path}: {segment!r} is no word, no {{name:str}} and no {{name:path}}"
                )
            name, takes_rest = parameter[1], parameter[2] == "path"
            if takes_rest and at < len(segments) - 1:
                raise RoutingError(f"{path}: nothing can follow {segment}")
            if node.value is None:
                node.parameter, node.takes_rest, node.value = name, takes_rest, _Node()
            elif (node.parameter, node.takes_rest) != (name, takes_rest):
                raise RoutingError(f"{path}: another path has {node.parameter!r} at {segment}")
            node = node.value
        return node


def _options(path: str, allow: str) -> Route:
    async def options(_: HttpRequest) -> ASGIResponse:
        return Reply(b"", status=204, headers={"Allow": allow})

    return Route("OPTIONS", path, options, right=None)
