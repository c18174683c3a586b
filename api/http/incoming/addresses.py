"""Sessions that a path names by what their maker calls them: `ext:` and the external id."""

import re
from uuid import UUID

from api.http.incoming.requests import AnyRequest, name_of, scope_of
from application.use_cases.session.sessions import id_of
from domain.errors import SessionNotFound
from domain.principal import Principal
from domain.values import MAX_EXTERNAL_ID

_BY_NAME = "ext:"
_TEXT = re.compile(rf"[^\x00-\x1f\x7f]{{1,{MAX_EXTERNAL_ID}}}")


async def resolve_session(request: AnyRequest, principal: Principal) -> None:
    """Put the id of a session in the place of its external id in a path.

    Args:
        request: What is asked.
        principal: Who asks; one that sees a single app means the session of that app.

    Raises:
        SessionNotFound: No session has the external id.
        AmbiguousName: Sessions of several apps have it.
    """
    named: dict[str, str] = request.path_params
    if not named.get("session_id", "").startswith(_BY_NAME):
        return
    external_id = name_of(request, "session_id").removeprefix(_BY_NAME)
    if not _TEXT.fullmatch(external_id):
        raise SessionNotFound("an external id is 1 to 255 characters, none of them a control one")
    if principal.app is not None:
        found: UUID = id_of(principal.app, external_id)
    else:
        found = await scope_of(request)["cairn"].queries.called(external_id)
    named["session_id"] = str(found)
