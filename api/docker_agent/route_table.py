"""Every route of the docker-agent door, as v1.81 of docker-agent has them."""

from litestar.response.base import ASGIResponse

from api.docker_agent.openapi import document
from api.docker_agent.requests import reply
from api.docker_agent.routes import (
    agents,
    batches,
    changes,
    events,
    interactions,
    probes,
    runs,
    sessions,
)
from api.http.incoming.requests import HttpRequest
from api.http.routing import Route, get

PREFIX = "/api"
SHARED = ("/health", "/ready")
"""Paths that other doors have too: the one that is named first answers them."""


@get("/api/openapi.json", right=None)
async def openapi(_: HttpRequest) -> ASGIResponse:
    """Return the OpenAPI document of this door."""
    return reply(document(ROUTES))


ROUTES: tuple[Route, ...] = (
    *probes.ROUTES,
    *agents.ROUTES,
    *sessions.ROUTES,
    *batches.ROUTES,
    *events.ROUTES,
    *runs.ROUTES,
    *interactions.ROUTES,
    *changes.ROUTES,
    openapi,
)
