"""From a path and a method to the handler, past the framework's injection.

Handlers here take the request and return an ASGI answer: there is nothing to inject, to serialise
or to clean up, and leaving that out saves a tenth of what an append costs. Lifespan and exceptions
stay the framework's.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, cast

from litestar import Request, asgi
from litestar.exceptions import MethodNotAllowedException, NotFoundException
from litestar.handlers import ASGIRouteHandler, HTTPRouteHandler
from litestar.response.base import ASGIResponse
from litestar.types import HTTPScope, Receive, Scope, Send

_Handler = Callable[..., Awaitable[ASGIResponse]]


@dataclass(slots=True)
class _Node:
    """What a path may go on with: a word, or any value for a parameter.

    A parameter of the type `path` takes all that is left.
    """

    words: dict[str, "_Node"] = field(default_factory=dict[str, "_Node"])
    parameter: str = ""
    takes_rest: bool = False
    value: "_Node | None" = None
    handlers: dict[str, tuple[_Handler, bool]] = field(
        default_factory=dict[str, tuple[_Handler, bool]]
    )


def dispatcher(handlers: Iterable[HTTPRouteHandler]) -> ASGIRouteHandler:
    """Return one ASGI app in front of all handlers.

    Args:
        handlers: Coroutine functions of a request, or of nothing, that return an ASGI answer.
    """
    root = _Node()
    for handler in handlers:
        for path in handler.paths:
            node = _grow(root, path)
            call = cast("_Handler", handler.fn)
            for method in handler.http_methods:
                node.handlers[str(method)] = (call, "request" in call.__annotations__)

    @asgi("/", is_mount=True, copy_scope=False)
    async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
        http = cast("HTTPScope", scope)
        call, wants_request = _find(root, http)
        if wants_request:
            request: Request[Any, Any, Any] = Request(scope, receive, send)
            answer = await call(request)
        else:
            answer = await call()
        await answer(scope, receive, send)

    return dispatch


def _grow(node: _Node, path: str) -> _Node:
    for segment in path.strip("/").split("/"):
        if segment.startswith("{"):
            node.parameter, _, kind = segment[1:-1].partition(":")
            node.takes_rest = kind == "path"
            node.value = node.value or _Node()
            node = node.value
        else:
            node = node.words.setdefault(segment, _Node())
    return node


def _find(node: _Node, scope: HTTPScope) -> tuple[_Handler, bool]:
    parameters: dict[str, Any] = {}
    segments = scope["path"].strip("/").split("/")
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
    if not node.handlers:
        raise NotFoundException
    found = node.handlers.get(scope["method"])
    if found is None:
        allow = ", ".join(sorted(node.handlers))
        raise MethodNotAllowedException(f"this path takes {allow} only", headers={"Allow": allow})
    scope["path_params"] = parameters
    return found
