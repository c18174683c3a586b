"""The light status of a session, for those who ask often."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from litestar.response.base import ASGIResponse

from api.http.describing.route_docs import (
    AT_PROBLEMS,
    Describes,
)
from api.http.incoming.preconditions import is_current
from api.http.incoming.query import Query, with_query
from api.http.incoming.requests import HttpRequest, header, session_id_of
from api.http.outgoing.long_polls import while_there
from api.http.outgoing.problems import Problem
from api.http.outgoing.responses import (
    Reply,
    etag,
    json_response,
    not_modified,
    to_json,
)
from api.http.routing import get
from api.services import services_of
from api.v1.schemas.queries import At, Wait
from api.v1.schemas.session.session_shape import (
    SessionStatus,
)
from domain.values import rfc3339


class StatusQuery(Query):
    """When: now, when it has changed, or in the past."""

    wait: Wait = 0.0
    at: At = None


@get("/v1/sessions/{session_id:str}/status", right="read")
@Describes(
    "Sessions",
    answers={200: SessionStatus},
    problems=AT_PROBLEMS,
    conditional=True,
)
@with_query(StatusQuery)
async def get_status(request: HttpRequest, query: StatusQuery) -> ASGIResponse:
    """Read the light status; with `wait`, when it has changed or time is up."""
    services = services_of(request)
    session_id, seconds, at = session_id_of(request), query.wait, query.at
    if at is not None:
        if seconds:
            raise Problem("invalid_parameter", "the past does not change: wait or at", field="at")
        past = await services.queries.session_at(session_id, at)
        if is_current(request, past.session.sequence):
            return not_modified(past.session.sequence)
        document = past.document
        agent = document["agent"]
        return _status_reply(
            session_id,
            past.session.sequence,
            {
                "status": past.session.status,
                "badge": document["badge"],
                "title": document["title"],
                "agent": None if agent is None else agent["name"],
                "usage": document["usage"],
                "num_messages": document["num_messages"],
            },
            position=past.position,
            updated_at=past.updated_at,
        )
    known = None
    if header(request, b"if-none-match") is not None:
        known = partial(is_current, request)
    waiting = services.waits.changed(session_id, seconds, known)
    seen = await while_there(request, seconds, waiting)
    row = seen.session
    if known is not None and not seen.met and known(row.sequence):
        return not_modified(row.sequence)
    usage = {
        "input_tokens": row.input_tokens,
        "output_tokens": row.output_tokens,
        "cost": row.cost,
    }
    return _status_reply(
        session_id,
        row.sequence,
        {
            "status": row.status,
            "badge": seen.badge,
            "title": row.title,
            "agent": row.agent,
            "usage": usage,
            "num_messages": row.activity.num_messages,
        },
        position=row.position,
        updated_at=row.updated_at,
    )


def _status_reply(
    session_id: UUID,
    sequence: int,
    told: Mapping[str, Any],
    *,
    position: int,
    updated_at: datetime,
) -> Reply:
    document = {
        "session_id": session_id,
        **told,
        "sequence": sequence,
        "position": position,
        "updated_at": rfc3339(updated_at),
    }
    return json_response(to_json(document), headers={"ETag": etag(sequence)})
