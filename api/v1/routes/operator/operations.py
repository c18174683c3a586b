"""For those who run it: health, readiness, metrics and version."""

import os
from html import escape

from litestar.response.base import ASGIResponse
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

from api.http.around.forwarded import public_base
from api.http.describing.docs_page import CONTENT_SECURITY_POLICY
from api.http.describing.route_docs import Describes
from api.http.incoming.negotiation import negotiated
from api.http.incoming.query import Query, with_query
from api.http.incoming.requests import HttpRequest
from api.http.outgoing.long_polls import while_there
from api.http.outgoing.problems import Problem
from api.http.outgoing.responses import JSON, Reply, json_response, to_json
from api.http.routing import get
from api.services import Services, services_of
from api.v1.schemas.answers import Health, Ready, Version, Welcome
from api.v1.schemas.queries import Wait
from api.version import VERSION
from application.ports.readiness import Trouble
from application.reads.streams.stream_items import Deadline

_LOOK_AGAIN = 0.2
"""Seconds between two looks at what is not ready."""

HTML = "text/html; charset=utf-8"
_ABOUT = "Keeps the sessions of AI agents: an append-only log of events, behind HTTP."
_LINKS = {
    "docs": "/docs",
    "openapi": "/schema/openapi.json",
    "asyncapi": "/schema/asyncapi.json",
    "sessions": "/v1/sessions",
    "health": "/health",
    "ready": "/ready",
    "version": "/version",
    "metrics": "/metrics",
}


class ReadyQuery(Query):
    """How long to wait until requests can be served."""

    wait: Wait = 0.0


@get("/health", right=None)
@Describes("Operations", answers={200: Health}, any_query=True)
async def health(request: HttpRequest) -> ASGIResponse:
    """Say that the process lives, and whether its database answers."""
    database = await services_of(request).readiness.database_answers()
    document = {
        "status": "ok" if database else "degraded",
        "database": "up" if database else "down",
    }
    return json_response(to_json(document))


@get("/ready", right=None)
@Describes("Operations", answers={200: Ready}, problems=("invalid_parameter", "not_ready"))
@with_query(ReadyQuery)
async def ready(request: HttpRequest, query: ReadyQuery) -> ASGIResponse:
    """Say whether requests can be served now, or as soon as they can."""
    services = services_of(request)
    waiting = _troubles_within(services, query.wait)
    troubles = await while_there(request, query.wait, waiting, for_everybody=True)
    if services.fan_out.closing.is_set():
        troubles.insert(0, Trouble("stopping", "The server is stopping."))
    if troubles:
        sentences = " ".join(trouble.sentence for trouble in troubles)
        raise Problem("not_ready", sentences, reasons=[trouble.reason for trouble in troubles])
    document: dict[str, object] = {"status": "ready"}
    warnings = services.readiness.warnings()
    if warnings:
        document["warnings"] = {warning.reason: warning.sentence for warning in warnings}
    return json_response(to_json(document))


async def _troubles_within(services: Services, seconds: float) -> list[Trouble]:
    """Return what is wrong, as soon as nothing is, or at the end."""
    deadline = Deadline(seconds)
    while troubles := [*await services.readiness.troubles()]:
        if deadline.is_over or await services.fan_out.closes_within(
            min(_LOOK_AGAIN, deadline.left())
        ):
            break
    return troubles


@get("/", right=None)
@Describes(
    "Operations",
    answers={200: Welcome},
    problems=("not_acceptable",),
    other_forms={HTML: {"type": "string"}},
    any_query=True,
)
async def get_welcome(request: HttpRequest) -> ASGIResponse:
    """Say what this is, and where to read on."""
    form = negotiated(request, {JSON: (), "text/html": ()})
    base = public_base(request.scope)
    links = {name: f"{base}{path}" for name, path in _LINKS.items()}
    if form == JSON:
        document = {"name": "cairn", "about": _ABOUT, "version": VERSION, "links": links}
        return json_response(to_json(document))
    items = "".join(
        f'<li><a href="{escape(url)}">{escape(name)}</a></li>' for name, url in links.items()
    )
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Cairn</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"></head>'
        f"<body><h1>Cairn {escape(VERSION)}</h1><p>{escape(_ABOUT)}</p><ul>{items}</ul>"
        "</body></html>"
    )
    headers = {"Content-Security-Policy": CONTENT_SECURITY_POLICY}
    return Reply(page.encode(), media_type=HTML, headers=headers)


@get("/version", right=None)
@Describes("Operations", answers={200: Version}, any_query=True)
async def get_version(request: HttpRequest) -> ASGIResponse:
    """Say what runs here, and over which log."""
    document = {"name": "cairn", "version": VERSION, "store": services_of(request).store.identity}
    return json_response(to_json(document))


@get("/metrics", right="admin", whole_store=True)
@Describes("Operations", answers={200: None}, media_type=CONTENT_TYPE_LATEST, any_query=True)
async def metrics(_: HttpRequest) -> ASGIResponse:
    """Count, for Prometheus."""
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]

    return Reply(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
