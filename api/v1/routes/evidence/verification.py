"""Verification: of one session, or of all that there are."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import suppress
from typing import Annotated, Any
from uuid import UUID

from litestar.response.base import ASGIResponse
from pydantic import Field

from api.http.describing.route_docs import Describes
from api.http.incoming.query import Query, given_of, with_query
from api.http.incoming.query_values import fraction, whole_number
from api.http.incoming.requests import HttpRequest, session_id_of
from api.http.outgoing.downloads import Download
from api.http.outgoing.responses import json_response, to_json
from api.http.routing import get
from api.services import record_access, services_of
from api.v1.schemas.operator.audit import VerificationReport
from application.errors import Busy
from application.reads.evidence.session_check import Finding, SessionVerdict
from domain.errors import Unavailable

_LINES = "application/jsonl"
_AT_THE_END = 1000
"""So many findings about sessions are told again with the sum; each stands in its own line."""


@get("/v1/sessions/{session_id:str}/verify", right="audit")
@Describes("Audit", answers={200: VerificationReport})
async def verify_session(request: HttpRequest) -> ASGIResponse:
    """Check every event of a session, and all that is derived from them."""
    session_id = session_id_of(request)
    verdict = await services_of(request).verification.verify(session_id)
    await _record(request, session_id)
    return json_response(to_json(_report(1, verdict.events, verdict.findings, omitted=0)))


class VerifyQuery(Query):
    """Which sessions to check."""

    sample: Annotated[
        float,
        fraction(),
        Field(description="the part of the sessions to check, chosen by chance"),
    ] = 1.0
    since: Annotated[
        int, whole_number(), Field(description="only sessions with events after this position")
    ] = 0


@get("/v1/audit/verify", right="audit", whole_store=True)
@Describes(
    "Audit",
    answers={200: None},
    media_type=_LINES,
)
@with_query(VerifyQuery)
async def verify_all(request: HttpRequest, query: VerifyQuery) -> ASGIResponse:
    """Check all sessions: a line for each as it is done, how many to come first, the sum last."""
    sample, since = query.sample, query.since
    await _record(request, where=given_of(request))
    verification = services_of(request).verification
    expected = round(await verification.count(since) * sample)
    verdicts = verification.all(sample=sample, changed_since=since)
    return await Download.of(_lines(expected, verdicts), _LINES)


async def _record(
    request: HttpRequest, session_id: UUID | None = None, where: Mapping[str, str] | None = None
) -> None:
    # A damaged store may take no events any more, and then it must still be possible to find out
    # why. What is said of the log shows nothing that is in it.
    with suppress(Busy, Unavailable):
        await record_access(request, "verification", session_id=session_id, where=where)


async def _lines(expected: int, verdicts: AsyncGenerator[SessionVerdict]) -> AsyncGenerator[bytes]:
    yield to_json({"expected": expected}) + b"\n"
    sessions = events = omitted = 0
    findings: list[Finding] = []
    async for verdict in verdicts:
        if verdict.session_id is None:
            findings += verdict.findings
        else:
            sessions, events = sessions + 1, events + verdict.events
            told = verdict.findings[: max(_AT_THE_END - len(findings), 0)]
            findings += told
            omitted += len(verdict.findings) - len(told)
            line = {
                "session_id": verdict.session_id,
                "events": verdict.events,
                "findings": [_shown(one) for one in verdict.findings],
            }
            yield to_json(line) + b"\n"
    yield to_json(_report(sessions, events, findings, omitted=omitted)) + b"\n"


def _report(
    sessions: int, events: int, findings: Sequence[Finding], *, omitted: int
) -> dict[str, Any]:
    return {
        "ok": not findings,
        "sessions": sessions,
        "events": events,
        "findings": [_shown(one) for one in findings],
        "findings_omitted": omitted,
    }


def _shown(finding: Finding) -> dict[str, Any]:
    return finding._asdict()
