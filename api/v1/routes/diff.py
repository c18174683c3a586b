"""What differs between two moments of a session, as JSON and as text."""

from litestar.response.base import ASGIResponse

from api.http.negotiation import negotiated
from api.http.requests import AnyRequest, Parameters, session_id_of
from api.http.responses import Reply, json_response, to_json
from api.http.route_docs import AT, AT_PROBLEMS, Describes, Parameter
from api.http.routing import get
from api.services import services_of
from api.v1.documents.diff import diff_document, diff_text
from api.v1.schemas.diff import SessionDiff

_TEXT = "text/plain"


@get("/v1/sessions/{session_id:str}/diff", right="read")
@Describes(
    "Sessions",
    answers={200: SessionDiff},
    problems=(*AT_PROBLEMS, "not_acceptable"),
    parameters=(
        Parameter(
            "from",
            "the earlier moment; the first event when absent",
            AT.schema,
        ),
        Parameter("to", "the later moment; the newest event when absent", AT.schema),
    ),
    other_forms={_TEXT: {"type": "string", "description": "a line for each difference"}},
)
async def get_diff(request: AnyRequest) -> ASGIResponse:
    """Read what differs between two moments of a session."""
    parameters = Parameters(request, ("from", "to"))
    earlier, later = (parameters.sequence_or_moment(name) for name in ("from", "to"))
    accepted = negotiated(request, {"application/json": (), _TEXT: ()})
    queries, session_id = services_of(request).queries, session_id_of(request)
    before = await queries.snapshot(session_id, 1 if earlier is None else earlier)
    after = await queries.snapshot(session_id, later)
    document = diff_document(session_id, before, after)
    if accepted == _TEXT:
        return Reply(diff_text(document).encode(), media_type="text/plain; charset=utf-8")
    return json_response(to_json(document))
