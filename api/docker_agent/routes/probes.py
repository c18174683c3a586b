"""Whether the server lives, serves, and has an agent to serve."""

from litestar.response.base import ASGIResponse

from api.authentication import ANONYMOUS
from api.docker_agent.first_attachment import wait_for_attachment
from api.docker_agent.requests import Refusal, reply, seconds_of
from api.http.around.authorization import principal_of
from api.http.incoming.requests import HttpRequest
from api.http.outgoing.long_polls import while_there
from api.http.routing import get
from api.services import services_of
from application.reads.streams.stream_items import Deadline

_LOOK_AGAIN = 0.2
_USUAL = 30.0


@get("/health", right=None)
async def health(request: HttpRequest) -> ASGIResponse:
    """Say that the server answers; what the native door says stands beside it."""
    database = await services_of(request).readiness.database_answers()
    return reply({"status": "ok", "version": "", "database": "up" if database else "down"})


@get("/ready", right=None)
async def ready(request: HttpRequest) -> ASGIResponse:
    """Say whether requests can be served now, or with `wait` as soon as they can."""
    services = services_of(request)
    deadline = Deadline(seconds_of(request, "wait", 0.0) or 0.0)
    while troubles := [*await services.readiness.troubles()]:
        if deadline.is_over or await services.fan_out.closes_within(
            min(_LOOK_AGAIN, deadline.left())
        ):
            break
    principal = principal_of(request)
    # How much goes on here is no news for somebody on the network, nor for who sees a part of it.
    is_told = principal is not ANONYMOUS and principal.sees_all
    document: dict[str, object] = {
        "ready": not troubles,
        "active_sessions": services.fan_out.followed if is_told else 0,
        "store_connected": await services.readiness.database_answers(),
        "toolset_health": "unavailable" if troubles else "ok",
        "status": "not_ready" if troubles else "ready",
    }
    if troubles:
        document["latest_error"] = " ".join(trouble.sentence for trouble in troubles)
        return reply(document, status=503, headers={"Retry-After": "2"})
    return reply(document)


@get("/api/ping", right="read")
async def ping(_: HttpRequest) -> ASGIResponse:
    """Say that whoever asks is let in."""
    return reply({"status": "ok"})


@get("/api/ready", right="read")
async def any_attached(request: HttpRequest) -> ASGIResponse:
    """Wait until somebody has driven a session; that it was so once is enough, and for good."""
    seconds = seconds_of(request, "timeout", _USUAL) or 0.0
    if await while_there(request, seconds, wait_for_attachment(request, seconds)):
        return reply({"status": "ready"})
    raise Refusal(503, "no runtime has attached to a session yet")


ROUTES = (health, ready, ping, any_attached)
