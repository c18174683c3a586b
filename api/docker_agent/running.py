"""Runs: a turn is begun, and what whoever drives the session records is told until it ends."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any
from uuid import UUID

from api.docker_agent.acting import in_session, perform_plainly
from api.docker_agent.creating import model_of
from api.docker_agent.requests import Refusal
from api.docker_agent.shapes.parts import joined_parts
from api.docker_agent.shapes.reports import require_reported
from api.docker_agent.shapes.sessions import agent_of
from api.docker_agent.shapes.wire import RunAgent
from api.docker_agent.stream.held_state import holding
from api.docker_agent.stream.sub_sessions import frames_of
from api.docker_agent.stream.translation import PING, Translation
from api.http.around.authorization import principal_of, require_right
from api.http.incoming.bodies import body_of, read_body
from api.http.incoming.requests import HttpRequest, name_of, session_id_of
from api.services import Services, services_of
from application.commands.request import Caller, Outcome
from application.ports.log.events import StoredEvent
from application.reads.streams.stream_items import PartialText, Ping
from application.use_cases.turn.driven_turns import DrivenTurn, NobodyDrives, TurnEnd
from domain.checks import require_name
from domain.errors import InputsWaiting
from domain.session.commands import OverrideModel
from domain.session.decide import decide
from domain.session.state import ABSENT
from domain.values import ModelChoice

RUN = "docker-agent.run"
"""Where the `meta` of a turn says which agent is to run."""

FIRST_AGENT = "root"
"""The agent that answers where nobody says which."""


async def begin_run(request: HttpRequest) -> DrivenTurn:
    """Begin the run that a request asks for.

    Raises:
        Refusal: It makes no sense, or no driver knows the agent.
        TurnInProgress: Another one runs; nothing is changed.
        CairnError: It cannot be begun.
    """
    if not await read_body(request):
        raise Refusal(400, "the body is empty: a run has messages, or at least an empty object")
    body = await body_of(request, RunAgent)
    for right in ("read", "stream"):
        require_right(principal_of(request), right)
    services, session_id = services_of(request), session_id_of(request)
    row = await services.queries.session(session_id)
    run: dict[str, Any] = {
        name: name_of(request, name)
        for name in ("agent", "agent_name")
        if name in request.path_params
    }
    for name, value in run.items():
        require_name(value, name)
    await require_reported(services, row.app, run["agent"])
    choice = model_of(body.model) if body.model.strip() else None
    override = None
    if choice is not None:
        override = await _override_of(services, session_id, run.get("agent_name"), choice)
    turn_id, parts = services.store.clock.new_name(), joined_parts(body.messages)

    async def start(caller: Caller, session_id: UUID) -> Outcome:
        start = services.use_cases.turns.start
        how: dict[str, Any] = {"parts": parts, "turn_id": turn_id, "meta": {RUN: run}}
        try:
            return await start(caller, session_id, **how, model=choice)
        except InputsWaiting:
            return await start(caller, session_id, **how, model=choice, mode="queue")

    outcome = await in_session(request, start)
    if override is not None:
        await perform_plainly(request, session_id, override)
    origin = Caller("system", "docker-agent")
    begun = str(outcome.answer.get("turn_id") or turn_id)
    return services.driven_turns.follow(
        origin, session_id, begun, outcome, is_driven=row.lease is not None
    )


async def _override_of(
    services: Services, session_id: UUID, agent_name: str | None, choice: ModelChoice
) -> OverrideModel:
    """Return the command that has the model of a run answer in later ones too.

    It comes after the run has begun, so what would have it refused must be known before.

    Raises:
        LimitReached: As many agents as there may be have other models.
    """
    session = (await services.repository.load(session_id)).session
    agent = agent_name or agent_of(session) or FIRST_AGENT
    command = OverrideModel(agent=agent, model=choice.model, provider=choice.provider)
    decide(session, command)
    return command


async def run_frames(services: Services, turn: DrivenTurn) -> AsyncGenerator[bytes]:
    """Yield the events of a run as frames, the first of them when somebody drives it.

    Args:
        services: Of the program.
        turn: The run.

    Raises:
        Refusal: 503, nobody drives the session; the turn is ended then.
    """
    state = ABSENT
    if turn.since:
        state = (await services.repository.load_at(turn.session_id, turn.since)).session
    translation = Translation(services.store.codec, turn.session_id, state)
    waiting = [_title(turn, translation)]
    try:
        async with holding(services, state) as held, aclosing(turn.items()) as items:
            del state
            async for item in items:
                match item:
                    case StoredEvent():
                        frames = await frames_of(services, translation, item)
                        await held.follow(translation, (item,))
                        if turn.has_started:
                            waiting.append(frames)
                    case PartialText():
                        waiting.append(translation.partial(item))
                    case Ping():
                        waiting.append(PING)
                    case TurnEnd():
                        waiting.append(_end_of(item, translation))
                        yield b"".join(waiting)
                        return
                del item
                if turn.is_driven and any(waiting):
                    waiting = [b"".join(waiting)]
                    yield waiting.pop()
    except NobodyDrives:
        raise Refusal(
            503,
            "nobody runs the agent of this session: a driver must follow its turns,"
            " see docs/coming-from-docker-agent.md",
        ) from None


def _title(turn: DrivenTurn, translation: Translation) -> bytes:
    title, session = translation.state.description.title, str(turn.session_id)
    if not title:
        return b""
    return translation.aside({"type": "session_title", "session_id": session, "title": title})


def _end_of(end: TurnEnd, translation: Translation) -> bytes:
    frames = b"" if end.stored is None else translation.frames(end.stored)
    if end.how == "cancelled" and b'"stream_stopped"' not in frames:
        # It waited, and was taken back before it began.
        frames += translation.aside({"type": "stream_stopped", "reason": "canceled"})
    return frames
