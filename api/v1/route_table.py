"""Every route of the native door, in the order in which the documents show them.

A route in a module below is in the table by that.
"""

from types import ModuleType

from api.http.routing import Route
from api.v1.routes import blobs, documents, events, tokens, webhooks
from api.v1.routes.evidence import audit, audit_events, verification
from api.v1.routes.operator import erasure, operations, recovery, repair, transfers
from api.v1.routes.session import (
    context,
    diff,
    health,
    lifecycle,
    lineage,
    metadata,
    session_lists,
    session_status,
    sessions,
    shared_state,
    state,
)
from api.v1.routes.turn import inputs, interactions, messages, permissions, turns

_TOPICS = (
    sessions,
    session_lists,
    lifecycle,
    repair,
    recovery,
    session_status,
    diff,
    metadata,
    messages,
    blobs,
    turns,
    inputs,
    interactions,
    permissions,
    health,
    state,
    shared_state,
    lineage,
    context,
    events,
    tokens,
    webhooks,
    erasure,
    transfers,
    audit_events,
    verification,
    audit,
    operations,
)


def routes_of(module: ModuleType) -> list[Route]:
    """Return the routes that a module declares, in their order."""
    return [route for route in vars(module).values() if isinstance(route, Route)]


ROUTES = [route for topic in _TOPICS for route in routes_of(topic)]
ROUTES.extend(documents.documents(ROUTES))
