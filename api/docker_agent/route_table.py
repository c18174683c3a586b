"""Every route of the docker-agent door, as v1.81 of docker-agent has them."""

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
from api.http.routing import Route

PREFIX = "/api"
SHARED = ("/health", "/ready")
"""Paths that other doors have too: the one that is named first answers them."""

ROUTES: tuple[Route, ...] = (
    *probes.ROUTES,
    *agents.ROUTES,
    *sessions.ROUTES,
    *batches.ROUTES,
    *events.ROUTES,
    *runs.ROUTES,
    *interactions.ROUTES,
    *changes.ROUTES,
)
