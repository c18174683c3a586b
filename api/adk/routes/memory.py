"""Memory of agents: there is none here, and who asks for it is told so."""

from litestar.response.base import ASGIResponse

from api.adk.requests import Refusal, needed_json_of, parsed
from api.adk.wire import UpdateMemory
from api.http.incoming.preconditions import refuse_conditions
from api.http.incoming.requests import HttpRequest, name_of
from api.http.routing import patch
from api.services import services_of
from application.use_cases.session.named_sessions import SessionName


@patch("/apps/{app:str}/users/{user:str}/memory", right="write")
async def update_memory(request: HttpRequest) -> ASGIResponse:
    """Refuse to put a session into a memory, as google-adk's server does that has none."""
    refuse_conditions(request)
    body = parsed(UpdateMemory, await needed_json_of(request))
    name = SessionName(name_of(request, "app"), name_of(request, "user"), body.session_id.strip())
    await services_of(request).adk_sessions.find(name)
    raise Refusal(400, "Memory service is not configured.")


ROUTES = (update_memory,)
