"""Look at a session without trust in its log, and close what a crash has left open."""

import re
from typing import cast, get_args

from litestar.response.base import ASGIResponse

from api.http.go_booleans import go_boolean, go_flag
from api.http.problems import Problem
from api.http.requests import AnyRequest, Parameters, body_of, session_id_of
from api.http.responses import json_response, to_json
from api.http.route_docs import Describes, Parameter
from api.http.routing import post
from api.services import caller_of, services_of
from api.v1.schemas.commands import EmptyBody
from api.v1.schemas.repair import Repaired
from domain.repair.report import Options, Scope

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_PARAMETERS = ("dry_run", "dry-run", "force", "scope", "expected_report")
_SCOPES = get_args(Scope)


@post("/v1/sessions/{session_id:str}/repair", right="repair")
@Describes(
    "Sessions",
    body=EmptyBody,
    answers={200: Repaired},
    problems=("report_outdated", "stale_sequence", "session_deleted", "busy"),
    of_sessions=False,
    parameters=(
        go_boolean("dry_run", "only say what would be appended"),
        go_boolean("dry-run", "another name of `dry_run`"),
        go_boolean("force", "repair a session too that was stopped on purpose"),
        Parameter(
            "scope",
            "close the final turn only, or all that are open",
            {"type": "string", "enum": list(_SCOPES), "default": "final"},
        ),
        Parameter(
            "expected_report",
            "carry out the report with this `report_digest`, or nothing (409)",
            {"type": "string", "pattern": f"^{_DIGEST.pattern}$"},
        ),
    ),
)
async def repair_session(request: AnyRequest) -> ASGIResponse:
    """Close what a crash has left open in a stopped session, by appending to its log."""
    parameters = Parameters(request, _PARAMETERS)
    await body_of(request, EmptyBody, _PARAMETERS)
    dry_run = go_flag(parameters, "dry_run", "dry-run")
    scope = cast("Scope", parameters.one_of("scope", _SCOPES) or "final")
    options = Options(force=go_flag(parameters, "force"), scope=scope)
    expected = parameters.text("expected_report")
    if expected is not None and not _DIGEST.fullmatch(expected):
        detail = "expected_report: it must be the report_digest of a report, sha256:..."
        raise Problem("invalid_parameter", detail, field="expected_report")
    report = await services_of(request).repairs.repair(
        await caller_of(request),
        session_id_of(request),
        options,
        dry_run=dry_run,
        expected_report=expected,
    )
    return json_response(to_json({"repair": report.document()}))
