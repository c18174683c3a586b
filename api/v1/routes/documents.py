"""The documents that describe this server, and the page that shows them without a network."""

import asyncio
from collections.abc import Callable
from functools import cache, lru_cache
from html import escape
from pathlib import Path
from threading import Lock

from litestar.response.base import ASGIResponse

from api.http.around.forwarded import public_base
from api.http.describing.docs_page import CONTENT_SECURITY_POLICY, page
from api.http.describing.examples import ADDRESS
from api.http.describing.openapi import document
from api.http.describing.route_docs import Describes
from api.http.incoming.requests import HttpRequest, name_of
from api.http.outgoing.problems import Problem
from api.http.outgoing.responses import Reply, json_response, to_json
from api.http.routing import Route, get
from api.services import services_of
from api.v1.asyncapi import streams
from api.v1.routes.operator.operations import HTML
from api.v1.schemas.answers import JsonDocument

_ASSETS = Path(__file__).parents[2] / "http" / "describing" / "assets"
_TYPES = {"docs.css": "text/css; charset=utf-8", "docs.js": "text/javascript; charset=utf-8"}
_REFUSALS = ("invalid_parameter",)


def documents(routes: list[Route]) -> list[Route]:
    """Return the routes that describe all routes.

    Args:
        routes: All of them; read when a document is asked for, so that these can be among them.
    """
    making = Lock()

    async def made(make: Callable[[], bytes]) -> bytes:
        def alone() -> bytes:
            with making:
                return make()

        # The first takes a second of work, in which the loop has others to answer.
        return await asyncio.to_thread(alone)

    @lru_cache(8)
    def openapi(root: str, *, token: bool) -> bytes:
        return to_json({**document(routes, token=token), "servers": [{"url": root or "/"}]})

    @cache
    def asyncapi() -> bytes:
        return to_json(streams(routes))

    @cache
    def html() -> bytes:
        return page(document(routes)).encode()

    @get("/schema/openapi.json", right="read")
    @Describes("Documents", answers={200: JsonDocument}, problems=_REFUSALS)
    async def get_openapi(request: HttpRequest) -> ASGIResponse:
        """Read this document."""
        token = services_of(request).settings.auth_token_file is not None
        root = request.scope.get("root_path") or ""
        return json_response(await made(lambda: openapi(root, token=token)))

    @get("/schema/asyncapi.json", right="read")
    @Describes("Documents", answers={200: JsonDocument}, problems=_REFUSALS)
    async def get_asyncapi(_: HttpRequest) -> ASGIResponse:
        """Read the document of the streams."""
        return json_response(await made(asyncapi))

    @get("/docs", right="read")
    @Describes("Documents", answers={200: None}, problems=_REFUSALS, media_type=HTML)
    async def get_docs(request: HttpRequest) -> ASGIResponse:
        """Read all of this as a page."""
        headers = {
            "Content-Security-Policy": CONTENT_SECURITY_POLICY,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
        }
        address = escape(public_base(request.scope))
        shown = (await made(html)).replace(ADDRESS.encode(), address.encode())
        return Reply(shown, media_type=HTML, headers=headers)

    @get("/docs/assets/{asset:str}", right="read")
    @Describes(
        "Documents",
        answers={200: None},
        problems=(*_REFUSALS, "not_found"),
        media_type=_TYPES["docs.css"],
        other_forms={_TYPES["docs.js"]: {"type": "string"}},
    )
    async def get_asset(request: HttpRequest) -> ASGIResponse:
        """Read the style or the script of the page."""
        name = name_of(request, "asset")
        if name not in _TYPES:
            raise Problem("not_found", "there is no such file")
        headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "max-age=3600"}
        return Reply((_ASSETS / name).read_bytes(), media_type=_TYPES[name], headers=headers)

    return [get_openapi, get_asyncapi, get_docs, get_asset]
