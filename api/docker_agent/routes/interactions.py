"""What people decide: whether tools may be called, and what forms are answered with."""

from collections.abc import Sequence
from dataclasses import replace

from litestar.response.base import ASGIResponse

from api.docker_agent.creating import rules_of
from api.docker_agent.requests import Refusal, reply
from api.docker_agent.routes.sessions import SESSION
from api.docker_agent.shapes.wire import Elicitation, Resume, UpdatePermissions
from api.http.incoming.bodies import body_of
from api.http.incoming.requests import HttpRequest, session_id_of
from api.http.routing import patch, post
from api.services import caller_of, perform, services_of, state_of
from application.errors import StaleSequence
from domain.session.commands import ReplacePermissions, SwitchToolApproval
from domain.session.work import Interaction
from domain.values import Grant

_GRANTS: dict[str, Grant] = {"approve-session": "session", "approve-tool": "tool"}
_KINDS = {"approve": ("allow_once", "allow_always"), "reject": ("reject_once", "reject_always")}
_ATTEMPTS = 20


@post(SESSION + "/resume", right="write")
async def resume_session(request: HttpRequest) -> ASGIResponse:
    """Decide whether a tool may be called: the one that waits, or the one that is named."""
    body = await body_of(request, Resume)
    waiting = await _waiting(request, "permission")
    for name, given in (("request_id", body.request_id), ("tool_call_id", body.tool_call_id)):
        if given:
            waiting = [one for one in waiting if getattr(one, name) == given]
    if len(waiting) > 1 and body.tool_name:
        waiting = [one for one in waiting if one.tool == body.tool_name]
    asked = _the_one(waiting, "no tool call waits for a confirmation", "request_id")
    decide = services_of(request).use_cases.interactions.decide
    await decide(
        await caller_of(request),
        session_id_of(request),
        asked.request_id,
        option_id=_option_of(asked, "reject" if body.confirmation == "reject" else "approve"),
        grant=_GRANTS.get(body.confirmation, "once"),
        reason=body.reason or None,
    )
    return reply({"message": "session resumed"})


def _option_of(asked: Interaction, confirmation: str) -> str:
    """Return the option that says what a person says, the one for this call alone if there is."""
    kinds = [one.kind for one in asked.options]
    wanted = next((kind for kind in _KINDS[confirmation] if kind in kinds), None)
    if wanted is None:
        raise Refusal(409, f"this request has no option to {confirmation}")
    return asked.options[kinds.index(wanted)].option_id


@post(SESSION + "/elicitation", right="write")
async def answer_elicitation(request: HttpRequest) -> ASGIResponse:
    """Answer a form or a page: the one that waits, or the one of `elicitation_id`."""
    body = await body_of(request, Elicitation)
    waiting = await _waiting(request, "elicitation")
    if body.elicitation_id:
        waiting = [one for one in waiting if one.request_id == body.elicitation_id]
    asked = _the_one(waiting, "no elicitation request in progress", "elicitation_id")
    takes_content = body.action == "accept" and asked.schema is not None
    await services_of(request).use_cases.interactions.answer(
        await caller_of(request),
        session_id_of(request),
        asked.request_id,
        action=body.action,
        content=(body.content or {}) if takes_content else None,
    )
    return reply(None)


async def _waiting(request: HttpRequest, kind: str) -> list[Interaction]:
    pending = (await state_of(request)).interactions.pending.values()
    return sorted((one for one in pending if one.kind == kind), key=lambda one: one.sequence)


def _the_one(waiting: Sequence[Interaction], none: str, field: str) -> Interaction:
    if not waiting:
        raise Refusal(409, none)
    if len(waiting) > 1:
        ids = ", ".join(one.request_id for one in waiting)
        raise Refusal(409, f"{len(waiting)} requests wait; say which by {field}: {ids}")
    return waiting[0]


@patch(SESSION + "/permissions", right="write")
async def update_permissions(request: HttpRequest) -> ASGIResponse:
    """Replace all rules, for the running turn too; null clears them."""
    body = await body_of(request, UpdatePermissions)
    mode = (await state_of(request)).policy.rules.mode
    rules = replace(rules_of(body.permissions), mode=mode)
    await perform(request, ReplacePermissions(permissions=rules))
    return reply({"message": "session permissions updated"})


@post(SESSION + "/tools/toggle", right="write")
async def toggle_tools(request: HttpRequest) -> ASGIResponse:
    """Have tools called without asking, or have them asked for again; answer which it is now."""
    services, session_id = services_of(request), session_id_of(request)
    caller = await caller_of(request)
    for _ in range(_ATTEMPTS):
        session = await state_of(request)
        wanted = not session.policy.tool_approval
        expected = caller.expected or frozenset({session.sequence})
        command = SwitchToolApproval(enabled=wanted)
        try:
            await services.use_cases.do(caller._replace(expected=expected), session_id, command)
        except StaleSequence:
            if caller.expected is not None:
                raise
            continue
        return reply({"tools_approved": wanted})
    raise Refusal(409, "the session changes too often; try again")


ROUTES = (resume_session, answer_elicitation, update_permissions, toggle_tools)
