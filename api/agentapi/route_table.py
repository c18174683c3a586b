"""Every route of the agentapi door."""

from litestar.response.base import ASGIResponse

from api.agentapi.openapi import document
from api.agentapi.requests import reply
from api.agentapi.routes import sessions
from api.agentapi.routes.sessions import SESSIONS
from api.http.incoming.requests import HttpRequest
from api.http.routing import Route, get

PREFIXES = (SESSIONS, "/agentapi")
OPENAPI = "/agentapi/openapi.json"


@get(OPENAPI, right=None)
async def openapi(_: HttpRequest) -> ASGIResponse:
    """Return the OpenAPI document of this door."""
    return reply(document(ROUTES))


ROUTES: tuple[Route, ...] = (*sessions.ROUTES, openapi)
