"""The events of a session, from a cursor on and for as long as it lasts."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from typing import cast
from uuid import UUID

from api.docker_agent.stream.held_state import holding
from api.docker_agent.stream.sub_sessions import frames_of
from api.docker_agent.stream.translation import GAP, PING, Translation
from api.http.around.authorization import principal_of
from api.http.incoming.requests import HttpRequest
from api.http.outgoing.problems import problem_of
from api.http.outgoing.responses import to_json
from api.http.outgoing.streams import EventStream
from api.services import Services, services_of
from application.reads.streams.selecting import ALL
from application.reads.streams.stream_items import CaughtUp, Closed, Closing, PartialText, Ping
from domain.session.state import ABSENT
from domain.values import rfc3339


class AgentStream(EventStream):
    """A stream as clients of docker-agent read it: what an event is stands in its JSON."""

    opening = b""

    def frames(self, item: object) -> bytes:
        """Return an item, which is frames already."""
        return cast("bytes", item)

    def trouble(self, error: Exception) -> bytes:
        """Return the last frame of a stream in which something went wrong."""
        return error_frame(problem_of(error).detail, self._now())


def error_frame(message: str, now: datetime) -> bytes:
    """Return the frame that says what went wrong.

    Args:
        message: What.
        now: The time.
    """
    word = {"type": "error", "timestamp": rfc3339(now), "error": message}
    return b"data: %s\n\n" % to_json(word)


def stream_of(request: HttpRequest, frames: AsyncGenerator[bytes]) -> AgentStream:
    """Return the answer that streams frames.

    Args:
        request: Who asks.
        frames: What is sent.
    """
    services = services_of(request)
    return AgentStream(
        frames,
        services.store.clock.now,
        request.scope["cairn_request_id"],
        lambda _: 0,
        services.readers,
        principal_of(request),
    )


async def events_since(
    services: Services, session_id: UUID, since: int, *, head: int, deltas: bool
) -> AsyncGenerator[bytes]:
    """Yield the events of a session as frames.

    A cursor beyond the head is of another log: the reader is told of a gap, and everything anew.

    Args:
        services: Of the program.
        session_id: Which session.
        since: The sequence to go on from, exclusive.
        head: The newest sequence.
        deltas: Also tell of messages while they are written: without a sequence, and so not again
            to a reader who comes back.
    """
    if since > head:
        yield GAP
        since = 0
    state = ABSENT if since == 0 else (await services.repository.load_at(session_id, since)).session
    translation = Translation(services.store.codec, session_id, state)
    is_live = False
    async with (
        holding(services, state) as held,
        aclosing(services.tails.stream(session_id, since, ALL)) as tail,
    ):
        del state
        async for item in tail:
            match item:
                case Ping():
                    yield PING
                case PartialText():
                    if deltas and (partial := translation.partial(item)):
                        yield partial
                case Closed() | Closing():
                    return
                case CaughtUp():
                    is_live = True
                case _:
                    # A reader may be slow: what they are given is not kept here as well.
                    told = [await frames_of(services, translation, stored) for stored in item]
                    await held.follow(translation, item)
                    del item
                    told = [b"".join(told)]
                    if told[0]:
                        yield told.pop()
            if is_live and translation.state.lifecycle.phase == "stopped":
                # Deleted or erased, it has said so itself.
                yield translation.exited()
                return
