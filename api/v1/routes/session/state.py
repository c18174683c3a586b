"""State of a session: its own keys, and those that it shares with its app and its user."""

from datetime import datetime
from typing import Any

from litestar.response.base import ASGIResponse

from api.http.around.authorization import principal_of
from api.http.describing.route_docs import AT_PROBLEMS, Describes
from api.http.incoming.bodies import body_of
from api.http.incoming.query import with_query
from api.http.incoming.requests import HttpRequest, read_name_of, session_id_of
from api.http.outgoing.large_json import object_json
from api.http.outgoing.problems import Problem
from api.http.outgoing.responses import (
    Reply,
    etag,
    json_response,
    next_link,
    outcome_response,
    path_of,
    to_json,
)
from api.http.routing import get, patch
from api.services import perform, services_of
from api.v1.schemas.queries import AtQuery, KeyHistoryQuery
from api.v1.schemas.session.state import KeyHistory as KeyHistoryAnswer
from api.v1.schemas.session.state import PatchStateBody, State, StateDone
from application.reads.key_history import KeyHistory, Write
from domain.principal import Principal
from domain.scope.state_keys import scope_of
from domain.session.commands import PatchState
from domain.values import rfc3339


@get("/v1/sessions/{session_id:str}/state", right="read")
@Describes("State", answers={200: State}, problems=AT_PROBLEMS, etag=True)
@with_query(AtQuery)
async def get_state(request: HttpRequest, query: AtQuery) -> ASGIResponse:
    """Read all keys that the session sees, now or after a past event."""
    loaded, state = await services_of(request).queries.state(session_id_of(request), query.at)
    session = loaded.session
    body = b'{"state":%s,"version":%d,"sequence":%d}' % (
        await object_json(state),
        session.state_version,
        session.sequence,
    )
    return json_response(body, headers={"ETag": etag(session.sequence)})


@patch("/v1/sessions/{session_id:str}/state", right="write")
@Describes(
    "State",
    body=PatchStateBody,
    answers={200: StateDone},
    asks=(PatchState,),
)
async def patch_state(request: HttpRequest) -> ASGIResponse:
    """Set and delete keys, whatever others have set meanwhile, or only at an expected version."""
    body = await body_of(request, PatchStateBody)
    command = PatchState(set=body.set, delete=tuple(body.delete), expected=body.expected_version)
    return outcome_response(await perform(request, command))


@get("/v1/sessions/{session_id:str}/state/{key:str}/history", right="read")
@Describes("State", answers={200: KeyHistoryAnswer}, linked=True)
@with_query(KeyHistoryQuery)
async def get_key_history(request: HttpRequest, query: KeyHistoryQuery) -> ASGIResponse:
    """Read who set or deleted a key that the session sees or saw, the newest write first."""
    session_id = session_id_of(request)
    page = KeyPage(request, query, "v1", "sessions", str(session_id))
    history = await services_of(request).key_histories.of_session(
        session_id, page.key, before=query.before, limit=query.limit + 1
    )
    return history_reply(page, history)


# ── histories ────────────────────────────────────────────────────────────────────────────────


class KeyPage:
    """Which page of the history of a key is asked for.

    Args:
        request: Its path names the key.
        query: Which writes.
        *owner: The path up to the state that has the key.
        scope: The prefix that the keys of this state have; None where all are.

    Raises:
        Problem: 400, the key makes no sense.
    """

    def __init__(
        self, request: HttpRequest, query: KeyHistoryQuery, *owner: str, scope: str | None = None
    ) -> None:
        self.request = request
        self.before, self.limit = query.before, query.limit
        self.key = read_name_of(request, "key")
        self.path = path_of(*owner, "state", self.key, "history")
        if scope is not None and scope_of(self.key) != scope:
            raise Problem("invalid_parameter", f"key must begin with `{scope}:`", field="key")


def history_reply(page: KeyPage, history: KeyHistory) -> Reply:
    """Return a page of the history of a key.

    Args:
        page: What was asked for.
        history: One write more than the page takes when there are more.
    """
    more = len(history.writes) > page.limit
    writes, origin = history.writes[: page.limit], history.origin
    principal = principal_of(page.request)
    following: int | None = getattr(writes[-1], history.by) if more else None
    document = {
        "key": page.key,
        "writes": [_write_document(write, principal) for write in writes],
        "next_before": following,
        "continues_in": None
        if more or origin is None
        else {"session_id": origin.session_id, "before": origin.sequence + 1},
    }
    headers: dict[str, str] = {}
    if following is not None:
        headers = next_link(page.request, page.path, before=following)
    return json_response(to_json(document), headers=headers)


def _write_document(write: Write, principal: Principal) -> dict[str, Any]:
    """Return a write; of one through a session that is not there for a principal, not by whom."""
    document: dict[str, Any] = {"deleted": write.deleted}
    if not write.deleted:
        document["value"] = write.value
    at, is_seen = write.at, principal.sees_user(write.user)
    return {
        **document,
        "at": rfc3339(at) if isinstance(at, datetime) else at,
        "actor": write.actor if is_seen else None,
        "session_id": write.session_id if is_seen else None,
        "sequence": write.sequence if is_seen else None,
        "position": write.position,
    }
