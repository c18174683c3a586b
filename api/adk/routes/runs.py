"""`/run` and `/run_sse`: a turn is begun, and what its agent does is answered, whole or live."""

from collections.abc import AsyncGenerator
from contextlib import ExitStack, aclosing
from typing import cast

from litestar.response.base import ASGIResponse

from api.adk.beginning import begin_run
from api.adk.requests import Refusal, reply
from api.adk.runs import GONE, Ended, Partial, Run, frames_of
from api.http.around.authorization import principal_of
from api.http.incoming.requests import HttpRequest
from api.http.outgoing.problems import problem_of
from api.http.outgoing.streams import EventStream, begun
from api.http.routing import post
from api.services import services_of
from application.errors import Overloaded
from application.memory_budget import Share


@post("/run", right="write", lasts=True)
async def run(request: HttpRequest) -> ASGIResponse:
    """Begin a run, wait until it ends, and answer all its events."""
    asked, share = await begin_run(request), services_of(request).readers.share
    events: list[bytes] = []
    with ExitStack() as held:
        async with aclosing(asked.told()) as told:
            async for one in told:
                if isinstance(one, Ended):
                    if one.kind == GONE:
                        raise Refusal(404, one.message)
                    if one.kind is not None:
                        raise Refusal(500, one.text)
                elif not isinstance(one, Partial):
                    _hold(one.json, share, held)
                    events.append(one.json)
        return reply(b"[" + b",".join(events) + b"]")


def _hold(event: bytes, share: Share, held: ExitStack) -> None:
    try:
        held.enter_context(share.held(len(event)))
    except Overloaded:
        raise Refusal(
            503,
            "The events of this run take more memory than there is for the answer. The run goes"
            " on: read the session, or ask /run_sse.",
        ) from None


@post("/run_sse", right="write")
async def run_sse(request: HttpRequest) -> ASGIResponse:
    """Begin a run, and stream its events as they are recorded."""
    frames, services = _frames(await begin_run(request)), services_of(request)
    return RunStream(
        # Whether anybody is there is known with the first of it.
        await begun(frames, []),
        services.store.clock.now,
        request.scope["cairn_request_id"],
        lambda _: 0,
        services.readers,
        principal_of(request),
    )


async def _frames(run: Run) -> AsyncGenerator[list[bytes]]:
    split = run.asked.function_call_event_id is None
    async with aclosing(run.told()) as told:
        async for one in told:
            frames = [frames_of(one, split=split)]
            del one
            yield frames.pop()


class RunStream(EventStream):
    """The stream of a run: only `data`, as clients of google-adk read it."""

    opening = b""

    def frames(self, item: object) -> bytes:
        """Return the events of an item as frames."""
        return b"".join([b"data: %s\n\n" % one for one in cast("list[bytes]", item)])

    def trouble(self, error: Exception) -> bytes:
        """Return the last frame of a stream in which something went wrong."""
        problem = problem_of(error)
        return self.frames(frames_of(Ended(problem.code, problem.detail), split=False))


ROUTES = (run, run_sse)
