"""What is done with many sessions: each as if it were asked for alone."""

from functools import partial
from typing import Any
from uuid import UUID

from litestar.response.base import ASGIResponse

from api.docker_agent.requests import Refusal, reply
from api.docker_agent.shapes.sessions import export
from api.docker_agent.shapes.wire import BatchOfSessions
from api.http.around.authorization import principal_of
from api.http.incoming.bodies import body_of
from api.http.incoming.requests import HttpRequest, uuid_in
from api.http.routing import post
from api.services import caller_of, services_of
from domain.errors import Erased, SessionNotFound
from domain.values import rfc3339

MOST_EXPORTED = 100


@post("/api/sessions/batch/delete", right="write", lasts=True)
async def delete_sessions(request: HttpRequest) -> ASGIResponse:
    """Delete sessions: one that fails stops no other."""
    body = await body_of(request, BatchOfSessions)
    services = services_of(request)
    named = _named(body)
    ids = {text: found for text, found in named.items() if found is not None}
    caller = (await caller_of(request))._replace(expected=None, key=None)
    sees = partial(services.sight.sees, principal_of(request))
    done = await services.use_cases.sessions.delete_many(caller, list(ids.values()), sees)
    deleted = {one.session_id for one in done if one.status == "deleted"}
    failed = [text for text in named if ids.get(text) not in deleted]
    counts = {"deleted_count": len(named) - len(failed), "failed_count": len(failed)}
    return reply(counts | ({"failed_ids": failed} if failed else {}))


@post("/api/sessions/batch/export", right="read", lasts=True)
async def export_sessions(request: HttpRequest) -> ASGIResponse:
    """Export sessions with their messages; what is missing is named."""
    body = await body_of(request, BatchOfSessions)
    named = _named(body)
    if len(named) > MOST_EXPORTED:
        raise Refusal(400, f"session_ids has {len(named)} sessions; at most {MOST_EXPORTED}")
    services, principal = services_of(request), principal_of(request)
    found: list[dict[str, Any]] = []
    missing: list[str] = []
    for text, session_id in named.items():
        try:
            if session_id is None or not await services.sight.sees(principal, session_id):
                raise SessionNotFound
            found.append(export(await services.queries.snapshot(session_id)))
        except (SessionNotFound, Erased):
            missing.append(text)
    document = {
        "export_format": "json",
        "timestamp": rfc3339(services.store.clock.now()),
        "sessions": found,
        "session_count": len(found),
    }
    return reply(document | ({"missing_ids": missing} if missing else {}))


def _named(body: BatchOfSessions) -> dict[str, UUID | None]:
    """Return what is named with the id that it is, each once, however it is written."""
    once: dict[UUID | str, str] = {}
    for text in body.session_ids:
        once.setdefault(uuid_in(text) or text, text)
    return {text: one if isinstance(one, UUID) else None for one, text in once.items()}


ROUTES = (delete_sessions, export_sessions)
