"""State: the session's own keys, and those it shares with its app and its user."""

from litestar import get, patch
from litestar.response.base import ASGIResponse

from api.describe import Describes
from api.requests import AnyRequest, Parameters, body_of, session_id_of
from api.responses import etag, json_response, outcome_response, to_json
from api.schemas.answers import Done, State
from api.schemas.commands import PatchStateBody
from api.services import handle, services_of
from domain.session.commands import PatchState


@get("/v1/sessions/{session_id:str}/state")
@Describes("State", answers={200: State}, etag=True)
async def get_state(request: AnyRequest) -> ASGIResponse:
    """Read all keys that the session sees."""
    Parameters(request, ())
    loaded, state = await services_of(request).queries.state(session_id_of(request))
    sequence = loaded.session.sequence
    body = to_json({"state": state, "sequence": sequence})
    return json_response(body, headers={"ETag": etag(sequence)})


@patch("/v1/sessions/{session_id:str}/state")
@Describes("State", body=PatchStateBody, answers={200: Done}, problems=("limit_reached",))
async def patch_state(request: AnyRequest) -> ASGIResponse:
    """Set and delete keys."""
    body = await body_of(request, PatchStateBody)
    command = PatchState(set=body.set, delete=tuple(body.delete))
    return outcome_response(await handle(request, command))
