"""The events of a session as a stream."""

from litestar.response.base import ASGIResponse

from api.docker_agent.routes.sessions import SESSION
from api.docker_agent.stream.following import events_since, stream_of
from api.http.incoming.requests import HttpRequest, header, session_id_of
from api.http.routing import get
from api.services import services_of

_MOST_DIGITS = 20


@get(SESSION + "/events", right="stream")
async def stream_events(request: HttpRequest) -> ASGIResponse:
    """Stream the events of a session: all, or those after `since` or `Last-Event-ID`, then live.

    With `deltas=true` messages are told while they are written too.
    """
    services, session_id = services_of(request), session_id_of(request)
    row = await services.queries.session(session_id)
    given = request.query_params.get("since"), header(request, b"last-event-id")
    since = next((_sequence(one) for one in given if _sequence(one) is not None), None) or 0
    deltas = request.query_params.get("deltas") == "true"
    events = events_since(services, session_id, since, head=row.sequence, deltas=deltas)
    return stream_of(request, events)


def _sequence(text: str | None) -> int | None:
    """Return a cursor; None for what is none, which there is the same as no cursor."""
    if text is None or not (text.isascii() and text.isdigit()) or len(text) > _MOST_DIGITS:
        return None
    return int(text)


ROUTES = (stream_events,)
