"""What google-adk's client and its web UI ask for beside sessions and runs."""

import platform

from litestar.response.base import ASGIResponse

from api.adk.requests import Refusal, reply
from api.http.around.authorization import principal_of
from api.http.incoming.requests import HttpRequest, name_of
from api.http.outgoing.responses import to_json
from api.http.routing import get
from api.services import services_of
from api.version import VERSION

_MOST_APPS = 1000
_VERSION = to_json(
    {
        "version": VERSION,
        "language": "python",
        "language_version": platform.python_version(),
    }
)


@get("/health", right=None)
async def health(_: HttpRequest) -> ASGIResponse:
    """Say that the server answers."""
    return reply(b'{"status":"ok"}')


@get("/version", right=None)
async def adk_version(_: HttpRequest) -> ASGIResponse:
    """Return the version of this server."""
    return reply(_VERSION)


@get("/list-apps", right="read")
async def list_apps(request: HttpRequest) -> ASGIResponse:
    """Return the apps that have sessions or are named in the settings, as far as they are seen."""
    names = await _apps(request)
    if request.query_params.get("detailed", "").lower() in ("true", "1", "yes", "on", "t", "y"):
        return reply(to_json({"apps": [_app_info(name) for name in names]}))
    return reply(to_json(names))


async def _apps(request: HttpRequest) -> list[str]:
    services, principal = services_of(request), principal_of(request)
    if principal.app is not None:
        return [principal.app]
    known = await services.store.session_rows.apps(_MOST_APPS)
    return sorted({*known, *services.settings.names("adk_apps")})


def _app_info(name: str) -> dict[str, object]:
    return {
        "name": name,
        "rootAgentName": name,
        "description": "",
        "language": "python",
        "isComputerUse": False,
        "agents": None,
    }


@get("/apps/{app:str}/app-info", right="read")
async def app_info(request: HttpRequest) -> ASGIResponse:
    """Return what is known of an app: its agents belong to whoever runs them."""
    name = name_of(request, "app")
    if name not in await _apps(request):
        raise Refusal(404, f"App not found: {name}")
    return reply(to_json(_app_info(name)))


@get("/config/telemetry", right=None)
async def telemetry(_: HttpRequest) -> ASGIResponse:
    """Say that nothing is sent anywhere."""
    return reply(b'{"telemetry":false}')


@get("/dev/apps/{app:str}/eval_sets", right="read")
async def eval_sets(_: HttpRequest) -> ASGIResponse:
    """Return none: evaluations belong to whoever runs agents."""
    return reply(b"[]")


@get("/dev/apps/{app:str}/eval_results", right="read")
async def eval_results(_: HttpRequest) -> ASGIResponse:
    """Return none."""
    return reply(b"[]")


@get("/dev/apps/{app:str}/eval-sets", right="read")
async def eval_set_ids(_: HttpRequest) -> ASGIResponse:
    """Return none, in the other dialect."""
    return reply(b'{"evalSetIds":[]}')


@get("/dev/apps/{app:str}/eval-results", right="read")
async def eval_result_ids(_: HttpRequest) -> ASGIResponse:
    """Return none, in the other dialect."""
    return reply(b'{"evalResultIds":[]}')


@get("/dev/apps/{app:str}/metrics-info", right="read")
async def metrics_info(_: HttpRequest) -> ASGIResponse:
    """Return that nothing is evaluated here, with the status that says so there."""
    raise Refusal(400, "Nothing is evaluated here: that is done where the agent runs.")


@get("/dev/apps/{app:str}/build_graph", right="read")
async def build_graph(_: HttpRequest) -> ASGIResponse:
    """Return that the inside of an agent is not known here."""
    return reply(b"null")


@get("/dev/apps/{app:str}/build_graph_image", right="read")
async def build_graph_image(_: HttpRequest) -> ASGIResponse:
    """Return no drawings of agents."""
    return reply(b"{}")


@get("/dev/apps/{app:str}/users/{user:str}/sessions/{name:str}/events/{id:str}/graph", right="read")
async def event_graph(_: HttpRequest) -> ASGIResponse:
    """Return no drawing of where in an agent an event was."""
    return reply(b"{}")


@get("/dev/apps/{app:str}/builder", right="read")
async def builder(_: HttpRequest) -> ASGIResponse:
    """Return that no agent can be edited here."""
    return reply(b"null")


@get("/dev/apps/{app:str}/tests", right="read")
async def tests(_: HttpRequest) -> ASGIResponse:
    """Return none."""
    return reply(b"[]")


@get("/dev/apps/{app:str}/debug/trace/session/{name:str}", right="read")
async def trace_of_session(_: HttpRequest) -> ASGIResponse:
    """Return no spans: those are where the agent runs."""
    return reply(b"[]")


@get("/dev/apps/{app:str}/debug/trace/{event_id:str}", right="read")
async def trace_of_event(_: HttpRequest) -> ASGIResponse:
    """Return that there are no spans."""
    raise Refusal(404, "Trace not found")


ROUTES = (
    health,
    adk_version,
    list_apps,
    app_info,
    telemetry,
    eval_sets,
    eval_results,
    eval_set_ids,
    eval_result_ids,
    metrics_info,
    build_graph,
    build_graph_image,
    event_graph,
    builder,
    tests,
    trace_of_session,
    trace_of_event,
)
