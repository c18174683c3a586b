"""What differs between two moments of a session, as JSON and as text."""

from datetime import datetime
from typing import Annotated

from litestar.response.base import ASGIResponse
from pydantic import Field

from api.http.describing.route_docs import AT_PROBLEMS, Describes
from api.http.incoming.negotiation import negotiated
from api.http.incoming.query import Query, with_query
from api.http.incoming.query_times import sequence_or_moment
from api.http.incoming.requests import HttpRequest, session_id_of
from api.http.outgoing.responses import Reply, json_response
from api.http.routing import get
from api.services import services_of
from api.v1.documents.diff import diff_json, diff_text, differences
from api.v1.schemas.session.diff import SessionDiff

_TEXT = "text/plain"


class DiffQuery(Query):
    """Between which moments."""

    earlier: Annotated[
        int | datetime | None,
        sequence_or_moment(),
        Field(alias="from", description="the earlier moment; the first event when absent"),
    ] = None
    later: Annotated[
        int | datetime | None,
        sequence_or_moment(),
        Field(alias="to", description="the later moment; the newest event when absent"),
    ] = None


@get("/v1/sessions/{session_id:str}/diff", right="read")
@Describes(
    "Sessions",
    answers={200: SessionDiff},
    problems=(*AT_PROBLEMS, "not_acceptable"),
    other_forms={_TEXT: {"type": "string", "description": "a line for each difference"}},
)
@with_query(DiffQuery)
async def get_diff(request: HttpRequest, query: DiffQuery) -> ASGIResponse:
    """Read what differs between two moments of a session."""
    accepted = negotiated(request, {"application/json": (), _TEXT: ()})
    queries, session_id = services_of(request).queries, session_id_of(request)
    earlier = 1 if query.earlier is None else query.earlier
    before, after = await queries.snapshots(session_id, earlier, query.later)
    found = differences(session_id, before, after)
    if accepted == _TEXT:
        return Reply(diff_text(found).encode(), media_type="text/plain; charset=utf-8")
    return json_response(diff_json(found))
