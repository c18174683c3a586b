"""Look at a session without trust in its log, and close what a crash has left open."""

from typing import Annotated, Self

from litestar.response.base import ASGIResponse
from pydantic import Field, model_validator

from api.http.describing.route_docs import Describes
from api.http.incoming.bodies import body_of
from api.http.incoming.query import Query, with_query
from api.http.incoming.query_values import BadValue, go_flag, one_of, text
from api.http.incoming.requests import HttpRequest, session_id_of
from api.http.outgoing.responses import json_response, to_json
from api.http.routing import post
from api.services import caller_of, services_of
from api.v1.schemas.commands import EmptyBody
from api.v1.schemas.operator.repair import Repaired
from api.v1.schemas.queries import GoFlag
from application.tasks import in_pieces
from domain.repair.report import Options, Scope
from domain.session.commands import RecoverSession, RepairSession

_DIGEST = "sha256:[0-9a-f]{64}"


class RepairQuery(Query):
    """What to repair, and whether to."""

    dry_run: Annotated[
        bool | None, go_flag(), Field(description="only say what would be appended")
    ] = None
    also_dry_run: Annotated[
        bool | None, go_flag(), Field(alias="dry-run", description="another name of `dry_run`")
    ] = None
    force: Annotated[
        GoFlag, Field(description="repair a session too that was stopped on purpose")
    ] = False
    scope: Annotated[
        Scope, one_of(Scope), Field(description="close the final turn only, or all that are open")
    ] = "final"
    expected_report: Annotated[
        str | None,
        text(pattern=_DIGEST, but="it must be the report_digest of a report, sha256:..."),
        Field(description="carry out the report with this `report_digest`, or nothing (409)"),
    ] = None

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        given = (self.dry_run, self.also_dry_run)
        if None not in given and len(set(given)) > 1:
            raise BadValue(
                "this and dry-run are conflicting: they are one parameter, so give one of them",
                "dry_run",
            )
        return self


@post("/v1/sessions/{session_id:str}/repair", right="repair")
@Describes(
    "Sessions",
    body=EmptyBody,
    answers={200: Repaired},
    asks=(RepairSession, RecoverSession),
    problems=("report_outdated", "stale_sequence", "session_deleted", "busy"),
    of_sessions=False,
)
@with_query(RepairQuery)
async def repair_session(request: HttpRequest, query: RepairQuery) -> ASGIResponse:
    """Close what a crash has left open in a stopped session, by appending to its log."""
    await body_of(request, EmptyBody)
    report = await services_of(request).repairs.repair(
        await caller_of(request),
        session_id_of(request),
        Options(force=query.force, scope=query.scope),
        dry_run=bool(query.dry_run or query.also_dry_run),
        expected_report=query.expected_report,
    )
    return json_response(to_json({"repair": await in_pieces(report.documenting())}))
