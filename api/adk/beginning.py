"""How a run begins: the turn that google-adk's request asks for, with what the agent is given."""

from typing import Any
from uuid import UUID, uuid4

from api.adk.content import Content
from api.adk.log import KIND
from api.adk.recording import foreign_event, now_of, plain_caller
from api.adk.requests import Refusal, needed_json_of, parsed
from api.adk.runs import Run
from api.adk.sessions import all_items
from api.adk.wire import Actions, Event, RunAgent
from api.http.around.authorization import principal_of, require_right
from api.http.incoming.preconditions import refuse_conditions
from api.http.incoming.requests import HttpRequest
from api.http.outgoing.responses import from_json
from api.services import Services, services_of
from application.commands.request import Caller
from application.use_cases.session.named_sessions import SessionName
from domain.errors import SessionNotFound, TurnExists, TurnInProgress
from domain.session.commands import ForeignEvent

RUN = "adk.run"
"""Where the `meta` of a turn says how it is to run."""


async def begin_run(request: HttpRequest) -> Run:
    """Begin the run that a request asks for.

    Raises:
        Refusal: It makes no sense, or there is no such session.
        Problem: 400, it has conditions, which no run heeds.
        CairnError: It cannot be begun now.
    """
    refuse_conditions(request)
    asked = parsed(RunAgent, await needed_json_of(request))
    if not asked.app_name:
        raise Refusal(400, "app_name is required when no default app is configured")
    for right in ("read", "stream"):
        require_right(principal_of(request), right)
    services = services_of(request)
    row = None
    if principal_of(request).sees(asked.app_name, asked.user_id):
        name = SessionName(asked.app_name, asked.user_id, asked.session_id.strip())
        try:
            row = await services.adk_sessions.find(name)
        except SessionNotFound:
            row = None
    if row is None:
        raise Refusal(404, f"Session not found: {asked.session_id}")
    turn_id = asked.invocation_id or f"e-{uuid4()}"
    resumed = await _resumed_invocation(services, row.session_id, asked)
    event = _first_event(services, asked, resumed or turn_id)
    meta = {RUN: asked.model_dump(by_alias=True, exclude_none=True, exclude={"new_message"})}
    caller = await plain_caller(request)
    begin = services.foreign_events.begin
    try:
        outcome = await begin(caller, row.session_id, turn_id, event, meta)
    except (TurnExists, TurnInProgress):
        # An invocation that goes on is another turn of its own here.
        turn_id = f"e-{uuid4()}"
        outcome = await begin(caller, row.session_id, turn_id, event, meta)
    turn = services.driven_turns.follow(
        Caller("system", caller.origin),
        row.session_id,
        turn_id,
        outcome,
        is_driven=row.lease is not None,
    )
    return Run(services, turn, asked=asked)


async def _resumed_invocation(services: Services, session_id: UUID, asked: RunAgent) -> str | None:
    """Return the invocation whose call is answered by what a run is given; None when none is."""
    parts = (asked.new_message and asked.new_message.parts) or ()
    answered = {part.function_response.id for part in parts if part.function_response is not None}
    if not answered or asked.invocation_id is not None:
        return None
    for item in reversed(await all_items(services, session_id)):
        event: dict[str, Any] = from_json(item.json)
        content: dict[str, Any] = event.get("content") or {}
        said: list[dict[str, Any]] = content.get("parts") or []
        if any(part.get("functionCall", {}).get("id") in answered for part in said):
            invocation: str = event["invocationId"]
            return invocation or None
    return None


def _first_event(services: Services, asked: RunAgent, invocation: str) -> ForeignEvent:
    message, delta = asked.new_message, asked.state_delta
    event = Event(
        author="user",
        invocation_id=invocation,
        content=None if message is None else Content(role="user", parts=message.parts),
        custom_metadata=asked.custom_metadata,
        actions=Actions(state_delta=delta or {}),
    )
    made = foreign_event(services, event, now=now_of(services))
    if message is None and not delta:
        return ForeignEvent(kind=KIND, event_id=made.event_id, record=None, role="user")
    return made
