"""`/run` and `/run_sse`: a turn is begun, and what its agent does is answered, whole or live."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import cast

from litestar.response.base import ASGIResponse

from api.adk.beginning import begin_run
from api.adk.requests import Refusal, reply
from api.adk.runs import GONE, Ended, Partial, Run, Told, frames_of
from api.http.around.authorization import principal_of
from api.http.incoming.requests import AnyRequest, scope_of
from api.http.outgoing.problems import problem_of
from api.http.outgoing.streams import EventStream
from api.http.routing import post
from api.services import services_of


@post("/run", right="write")
async def run(request: AnyRequest) -> ASGIResponse:
    """Begin a run, wait until it ends, and answer all its events."""
    begun = await begin_run(request)
    events: list[bytes] = []
    async with aclosing(begun.told()) as told:
        async for one in told:
            if isinstance(one, Ended):
                if one.kind == GONE:
                    raise Refusal(404, one.message)
                if one.kind is not None:
                    raise Refusal(500, one.text)
            elif not isinstance(one, Partial):
                events.append(one.json)
    return reply(b"[" + b",".join(events) + b"]")


@post("/run_sse", right="write")
async def run_sse(request: AnyRequest) -> ASGIResponse:
    """Begin a run, and stream its events as they are recorded."""
    begun, services = await begin_run(request), services_of(request)
    told = begun.told()
    # Whether anybody is there is known with the first of it: before that it is no stream.
    first = await anext(told, Ended())
    return RunStream(
        _from_first(first, told, begun),
        services.store.clock.now,
        scope_of(request)["cairn_request_id"],
        lambda _: 0,
        services.memory.share("streams"),
        principal_of(request),
    )


async def _from_first(
    first: Told, rest: AsyncGenerator[Told], begun: Run
) -> AsyncGenerator[list[bytes]]:
    split = begun.asked.function_call_event_id is None
    async with aclosing(rest):
        yield frames_of(first, split=split)
        async for told in rest:
            yield frames_of(told, split=split)


class RunStream(EventStream):
    """The stream of a run: nothing but `data`, as clients of google-adk read it."""

    opening = b""

    def frames(self, item: object) -> bytes:
        """Return the events of an item as frames."""
        return b"".join(b"data: %s\n\n" % one for one in cast("list[bytes]", item))

    def trouble(self, error: Exception) -> bytes:
        """Return the last frame of a stream in which something went wrong."""
        problem = problem_of(error)
        return self.frames(frames_of(Ended(problem.code, problem.detail), split=False))


ROUTES = (run, run_sse)
