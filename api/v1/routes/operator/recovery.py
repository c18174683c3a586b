"""Sessions that were left behind: what would be done about them, and doing it."""

from litestar.response.base import ASGIResponse

from api.http.describing.route_docs import Describes
from api.http.incoming.bodies import body_of
from api.http.incoming.requests import HttpRequest
from api.http.outgoing.responses import json_response, to_json
from api.http.routing import get, post
from api.services import caller_of, services_of
from api.v1.schemas.commands import EmptyBody
from api.v1.schemas.operator.recovery import RecoveryAnswer
from application.use_cases.recovery import Recovered
from domain.session.commands import RecoverSession


@get("/v1/recovery", right="repair", whole_store=True)
@Describes("Operations", answers={200: RecoveryAnswer})
async def get_recovery(request: HttpRequest) -> ASGIResponse:
    """Say which sessions nobody drives any more and what would be done; nothing is written."""
    return _answer(await services_of(request).recovery.plan(), dry_run=True)


@post("/v1/recovery", right="repair", whole_store=True)
@Describes(
    "Operations",
    body=EmptyBody,
    answers={200: RecoveryAnswer},
    asks=(RecoverSession,),
    of_sessions=False,
)
async def recover_sessions(request: HttpRequest) -> ASGIResponse:
    """Stop every session that nobody drives any more, each in an append of its own."""
    await body_of(request, EmptyBody)
    caller = await caller_of(request)
    return _answer(await services_of(request).recovery.recover(caller), dry_run=False)


def _answer(recovered: Recovered, *, dry_run: bool) -> ASGIResponse:
    document = {
        "dry_run": dry_run,
        "sessions": [one.document() for one in recovered.findings],
        "omitted": recovered.omitted,
    }
    return json_response(to_json({"recovery": document}))
