"""Every route of the ADK door: as google-adk for Python has it, and below `/api` as that for Go."""

from dataclasses import replace

from litestar.response.base import ASGIResponse

from api.adk.openapi import document
from api.adk.requests import reply
from api.adk.routes import artifacts, memory, pages, runs, sessions
from api.http.incoming.requests import HttpRequest
from api.http.outgoing.responses import to_json
from api.http.routing import Route, get

PREFIXES = (*("/apps", "/config", "/dev", "/list-apps", "/run", "/run_sse", "/version"),)
SHARED = ("/health",)
"""Paths that other doors have too: the one that is named first answers them."""


@get("/apps/openapi.json", right=None)
async def openapi(_: HttpRequest) -> ASGIResponse:
    """Return the OpenAPI document of this door."""
    return reply(to_json(document(ROUTES)))


_ROUTES: tuple[Route, ...] = (
    *sessions.ROUTES,
    *runs.ROUTES,
    *artifacts.ROUTES,
    *memory.ROUTES,
    *pages.ROUTES,
    openapi,
)
_UNDER_API = ("/apps", "/list-apps", "/run", "/run_sse")


def _below_api(path: str) -> bool:
    return any(f"{path}/".startswith(f"{prefix}/") for prefix in _UNDER_API)


ROUTES: tuple[Route, ...] = (
    *_ROUTES,
    *(replace(one, path=f"/api{one.path}") for one in _ROUTES if _below_api(one.path)),
)
MORE_PREFIXES = (*PREFIXES[1:], *(f"/api{prefix}" for prefix in _UNDER_API))
