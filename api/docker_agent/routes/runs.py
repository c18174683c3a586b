"""What an agent is given: runs, and what is sent to one that works or will."""

from uuid import UUID

from litestar.response.base import ASGIResponse

from api.docker_agent.acting import in_session
from api.docker_agent.requests import reply
from api.docker_agent.routes.sessions import SESSION
from api.docker_agent.running import begin_run, run_frames
from api.docker_agent.shapes.parts import joined_parts, parts_of
from api.docker_agent.shapes.wire import SendMessages
from api.docker_agent.stream.following import stream_of
from api.http.incoming.bodies import body_of
from api.http.incoming.requests import HttpRequest, session_id_of
from api.http.outgoing.streams import begun
from api.http.routing import get, post
from api.services import services_of, state_of
from application.commands.request import Caller, Outcome
from application.use_cases.turn.inputs import WantedInput
from domain.session.turn.input_queue import MAX_WAITING


@post(SESSION + "/agent/{agent:str}", right="write")
async def run_agent(request: HttpRequest) -> ASGIResponse:
    """Begin a run, and stream its events until it ends; a client that leaves ends nothing."""
    return await _run(request)


@post(SESSION + "/agent/{agent:str}/{agent_name:str}", right="write")
async def run_named_agent(request: HttpRequest) -> ASGIResponse:
    """Begin a run of one agent of a source, and stream its events until it ends."""
    return await _run(request)


async def _run(request: HttpRequest) -> ASGIResponse:
    frames = run_frames(services_of(request), await begin_run(request))
    # Whether anybody is there is known with the first of it.
    return stream_of(request, await begun(frames, b""))


@post(SESSION + "/steer", right="write")
async def steer(request: HttpRequest) -> ASGIResponse:
    """Give a working agent more at its next tool boundary: all of it at once, or nothing."""
    body = await body_of(request, SendMessages)
    services, held = services_of(request), await _is_left_alone(request)
    parts = joined_parts(body.messages)

    async def send(caller: Caller, session_id: UUID) -> Outcome:
        if held:
            wanted = [WantedInput(parts)]
            return await services.use_cases.inputs.queue(
                caller, session_id, wanted, source="user", hold=True
            )
        return await services.use_cases.turns.start(caller, session_id, parts=parts, mode="steer")

    await in_session(request, send)
    return reply({"status": "queued"}, status=202)


@post(SESSION + "/followup", right="write")
async def follow_up(request: HttpRequest) -> ASGIResponse:
    """Give an agent more, each message in a turn of its own: all of them are taken or none."""
    body = await body_of(request, SendMessages)
    services, held = services_of(request), await _is_left_alone(request)
    wanted = [WantedInput(parts_of(message)) for message in body.messages]

    async def send(caller: Caller, session_id: UUID) -> Outcome:
        return await services.use_cases.inputs.queue(caller, session_id, wanted, hold=held)

    outcome = await in_session(request, send)
    status = "queued_idle" if held else "queued_streaming"
    told = "duplicate" if outcome.replayed else status
    return reply({"status": told, "duplicate": outcome.replayed}, status=202)


async def _is_left_alone(request: HttpRequest) -> bool:
    """Return whether nothing runs in a session and nobody drives it: what is sent then waits."""
    row = await services_of(request).queries.session(session_id_of(request))
    return row.turn_id is None and row.lease is None


@get(SESSION + "/queue", right="read")
async def get_queue(request: HttpRequest) -> ASGIResponse:
    """Read how much waits, and how much may: both kinds share the room."""
    session = await state_of(request)
    waiting = session.inputs.waiting.values()
    steering = sum(one.steers is not None for one in waiting)
    most = session.lifecycle.limits.queued_inputs or MAX_WAITING
    document = {
        "steer": {"depth": steering, "capacity": most},
        "followup": {"depth": len(waiting) - steering, "capacity": most},
    }
    return reply(document, sequence=session.sequence)


ROUTES = (run_agent, run_named_agent, steer, follow_up, get_queue)
