"""Erasure of sessions and of users, its proof, and legal holds that stop it."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Annotated, Any

from litestar.response.base import ASGIResponse
from pydantic import Field

from api.http.describing.route_docs import Describes
from api.http.incoming.bodies import body_of
from api.http.incoming.preconditions import expected_of, refuse_conditions
from api.http.incoming.query import Query, with_query
from api.http.incoming.requests import HttpRequest, name_of, session_id_of
from api.http.outgoing.downloads import Download
from api.http.outgoing.problems import problem_of
from api.http.outgoing.responses import json_response, outcome_response, to_json
from api.http.routing import delete, get, post
from api.services import caller_of, perform, record_access, services_of
from api.v1.schemas.base import Done
from api.v1.schemas.operator.erasure import (
    EraseSessionBody,
    EraseUserBody,
    LegalHoldBody,
    ProveErasureBody,
    SessionErasure,
)
from api.v1.schemas.queries import GoFlag
from application.commands.request import Caller
from application.erasure.erasing import ErasureProgress
from application.erasure.plans import ErasurePlan
from application.projections.shared_state import user_scope
from domain.checks import require_name
from domain.errors import CairnError
from domain.session.commands import EraseSession, ReleaseLegalHold, SetLegalHold

_LINES = "application/jsonl"
_TOPIC = "Erasure"


class EraseQuery(Query):
    """Whether to erase."""

    dry_run: Annotated[GoFlag, Field(description="only say what would be erased")] = False


@post("/v1/sessions/{session_id:str}/erase", right="erase")
@Describes(
    _TOPIC,
    body=EraseSessionBody,
    answers={200: SessionErasure},
    asks=(EraseSession,),
    problems=("stale_sequence", "hook_denied", "hook_failed", "busy"),
    of_sessions=False,
)
@with_query(EraseQuery)
async def erase_session(request: HttpRequest, query: EraseQuery) -> ASGIResponse:
    """Erase what a session and its forks hold, for good; what proves the log stays."""
    dry_run = query.dry_run
    body = await body_of(request, EraseSessionBody)
    session_id, caller = session_id_of(request), await caller_of(request)
    erasing, proofs = services_of(request).erasing, services_of(request).erasure_proofs
    plan = await erasing.plans.of_session(
        session_id,
        children=body.children,
        shared_keys=body.shared_keys,
        expected=caller.expected,
    )
    where = _where(body.reason, dry_run=dry_run)
    await record_access(request, "erasure", session_id=session_id, where=where)
    if not dry_run:
        await proofs.sign()
        async with aclosing(erasing.carry_out(caller, plan, body.reason, session_id)) as steps:
            async for _ in steps:
                pass
        await erasing.round()
    return json_response(to_json({"erasure": plan.document(dry_run=dry_run)}))


@get("/v1/sessions/{session_id:str}/erasure", right="erase")
@Describes(_TOPIC, answers={200: None}, problems=("not_erased", "log_damaged"), media_type=_LINES)
async def get_erasure(request: HttpRequest) -> ASGIResponse:
    """Prove the erasure of a session: checkpoints and proofs, then what is left of each event."""
    session_id = session_id_of(request)
    answer = await Download.of(services_of(request).erasure_proofs.of_session(session_id), _LINES)
    await record_access(request, "erasure", session_id=session_id)
    return answer


@post("/v1/erasures/proof", right="erase", whole_store=True)
@Describes(
    _TOPIC,
    body=ProveErasureBody,
    answers={200: None},
    problems=("not_erased", "session_not_found", "erased", "log_damaged"),
    of_sessions=False,
    media_type=_LINES,
)
async def prove_erasures(request: HttpRequest) -> ASGIResponse:
    """Prove the erasure of several logs, such as those of a user, in one document."""
    refuse_conditions(request)
    body = await body_of(request, ProveErasureBody)
    answer = await Download.of(services_of(request).erasure_proofs.lines(body.log_ids), _LINES)
    await record_access(request, "erasure", where={"log_ids": " ".join(map(str, body.log_ids))})
    return answer


@post("/v1/apps/{app:str}/users/{user:str}/erase", right="erase")
@Describes(
    _TOPIC,
    body=EraseUserBody,
    answers={200: None},
    asks=(EraseSession,),
    problems=("hook_denied", "hook_failed", "busy"),
    of_sessions=False,
    media_type=_LINES,
)
@with_query(EraseQuery)
async def erase_user(request: HttpRequest, query: EraseQuery) -> ASGIResponse:
    """Erase a user of an app: all sessions and keys; lines of progress, and a report last."""
    dry_run = query.dry_run
    expected_of(request)
    body = await body_of(request, EraseUserBody)
    app, user = name_of(request, "app"), name_of(request, "user")
    require_name(app, "app")
    require_name(user, "user")
    caller = (await caller_of(request))._replace(expected=None, key=None)
    scope = str(user_scope(app, user))
    # Never the name: what is written of this stays.
    where = {"app": app, "user_scope": scope, **_where(body.reason, dry_run=dry_run)}
    await record_access(request, "erasure", where=where)
    steps = _steps(request, caller, body, app, user, dry_run=dry_run)
    return await Download.of(steps, _LINES, has_effect=True)


async def _steps(
    request: HttpRequest, caller: Caller, body: EraseUserBody, app: str, user: str, *, dry_run: bool
) -> AsyncGenerator[bytes]:
    """Yield what is said while a user is erased; the first line when nothing is in its way."""
    services = services_of(request)
    erasing = services.erasing
    plan = await erasing.plans.of_user(app, user, shared_keys=body.shared_keys)
    if dry_run:
        yield _report(plan, dry_run=True)
        return
    await services.erasure_proofs.sign()
    begun = False
    try:
        async with aclosing(erasing.carry_out(caller, plan, body.reason)) as steps:
            async for step in steps:
                if not begun:
                    yield _line({"plan": plan.document(dry_run=False)})
                begun = True
                yield _erased(step)
        await erasing.erase_scope(caller, app, user, body.reason)
    except CairnError as error:
        if not begun:
            raise
        # The answer has begun: its last line says that it is not done.
        problem = problem_of(error)
        yield _line({"error": {"code": problem.code, "detail": problem.detail}})
        return
    yield _report(plan, dry_run=False)


@post("/v1/sessions/{session_id:str}/legal-hold", right="hold")
@Describes(_TOPIC, body=LegalHoldBody, answers={200: Done}, asks=(SetLegalHold,))
async def set_legal_hold(request: HttpRequest) -> ASGIResponse:
    """Keep a session from being erased, also one that is stopped or deleted."""
    body = await body_of(request, LegalHoldBody)
    return outcome_response(await perform(request, SetLegalHold(reason=body.reason)))


@delete("/v1/sessions/{session_id:str}/legal-hold", right="hold")
@Describes(_TOPIC, body=LegalHoldBody, answers={200: Done}, asks=(ReleaseLegalHold,))
async def release_legal_hold(request: HttpRequest) -> ASGIResponse:
    """Let a session be erased again."""
    body = await body_of(request, LegalHoldBody)
    return outcome_response(await perform(request, ReleaseLegalHold(reason=body.reason)))


def _where(reason: str, *, dry_run: bool) -> dict[str, str]:
    return {"reason": reason, "dry_run": str(dry_run).lower()}


def _erased(step: ErasureProgress) -> bytes:
    return _line({"erased": step._asdict()})


def _report(plan: ErasurePlan, *, dry_run: bool) -> bytes:
    return _line({"report": plan.document(dry_run=dry_run)})


def _line(told: Mapping[str, Any]) -> bytes:
    return to_json(told) + b"\n"
