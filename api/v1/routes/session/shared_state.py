"""State that sessions share: of an app, and of each user of it."""

from typing import Annotated

from litestar.response.base import ASGIResponse
from pydantic import Field

from api.http.describing.route_docs import Describes
from api.http.incoming.bodies import body_of
from api.http.incoming.preconditions import is_current
from api.http.incoming.query import Query, with_query
from api.http.incoming.query_values import whole_number
from api.http.incoming.requests import HttpRequest, name_of, read_name_of
from api.http.outgoing.responses import Reply, etag, json_response, not_modified, to_json
from api.http.routing import get, patch
from api.services import caller_of, services_of, use_cases_of
from api.v1.routes.session.state import KeyPage, history_reply
from api.v1.schemas.queries import KeyHistoryQuery
from api.v1.schemas.session.state import (
    KeyHistory,
    PatchAppStateBody,
    PatchUserStateBody,
    ScopeDone,
    SharedState,
    key_schema,
)

_PROBLEMS = ("stale_scope", "session_exists")


class SharedStateQuery(Query):
    """When: now, or in the past."""

    at: Annotated[
        int | None,
        whole_number(1),
        Field(
            description="as it was at this position: a `version`, or the `position` of any event"
        ),
    ] = None


_READING = Describes(
    "State",
    answers={200: SharedState},
    problems=("cursor_ahead",),
    conditional=True,
)


@get("/v1/apps/{app:str}/state", right="read")
@_READING
@with_query(SharedStateQuery)
async def get_app_state(request: HttpRequest, query: SharedStateQuery) -> ASGIResponse:
    """Read the keys that all sessions of an app share, now or as they were."""
    return await _read(request, query, read_name_of(request, "app"), None)


@patch("/v1/apps/{app:str}/state", right="write")
@Describes("State", body=PatchAppStateBody, answers={200: ScopeDone}, problems=_PROBLEMS)
async def patch_app_state(request: HttpRequest) -> ASGIResponse:
    """Set and delete keys that all sessions of an app share; `If-Match` names the version."""
    body = await body_of(request, PatchAppStateBody)
    return await _patch(request, body, name_of(request, "app"), None)


@get("/v1/apps/{app:str}/state/{key:str}/history", right="read")
@Describes(
    "State",
    answers={200: KeyHistory},
    of_path={"key": key_schema("app")},
    linked=True,
)
@with_query(KeyHistoryQuery)
async def get_app_key_history(request: HttpRequest, query: KeyHistoryQuery) -> ASGIResponse:
    """Read who set or deleted a key of an app, the newest write first."""
    return await _history(request, query, read_name_of(request, "app"), None)


@get("/v1/apps/{app:str}/users/{user:str}/state", right="read")
@_READING
@with_query(SharedStateQuery)
async def get_user_state(request: HttpRequest, query: SharedStateQuery) -> ASGIResponse:
    """Read the keys that the sessions of one user of an app share, now or as they were."""
    return await _read(request, query, read_name_of(request, "app"), read_name_of(request, "user"))


@patch("/v1/apps/{app:str}/users/{user:str}/state", right="write")
@Describes("State", body=PatchUserStateBody, answers={200: ScopeDone}, problems=_PROBLEMS)
async def patch_user_state(request: HttpRequest) -> ASGIResponse:
    """Set and delete keys that the sessions of one user of an app share."""
    body = await body_of(request, PatchUserStateBody)
    return await _patch(request, body, name_of(request, "app"), name_of(request, "user"))


@get("/v1/apps/{app:str}/users/{user:str}/state/{key:str}/history", right="read")
@Describes(
    "State",
    answers={200: KeyHistory},
    of_path={"key": key_schema("user")},
    linked=True,
)
@with_query(KeyHistoryQuery)
async def get_user_key_history(request: HttpRequest, query: KeyHistoryQuery) -> ASGIResponse:
    """Read who set or deleted a key of one user of an app, the newest write first."""
    return await _history(
        request, query, read_name_of(request, "app"), read_name_of(request, "user")
    )


async def _read(request: HttpRequest, query: SharedStateQuery, app: str, user: str | None) -> Reply:
    shared = await services_of(request).scopes.read(app, user, at=query.at)
    if is_current(request, shared.version):
        return not_modified(shared.version)
    document = {"state": shared.values, "version": shared.version}
    return json_response(to_json(document), headers={"ETag": etag(shared.version)})


async def _patch(
    request: HttpRequest, body: PatchAppStateBody | PatchUserStateBody, app: str, user: str | None
) -> Reply:
    outcome, version = await use_cases_of(request).shared_states.patch(
        await caller_of(request), app, user, set=body.set, delete=tuple(body.delete)
    )
    answer = {"sequence": outcome.sequence, "position": outcome.position, "version": version}
    headers = {"ETag": etag(version)}
    if outcome.replayed:
        headers["Idempotent-Replayed"] = "true"
    return json_response(to_json(answer), headers=headers)


async def _history(
    request: HttpRequest, query: KeyHistoryQuery, app: str, user: str | None
) -> Reply:
    if user is None:
        page = KeyPage(request, query, "v1", "apps", app, scope="app")
    else:
        page = KeyPage(request, query, "v1", "apps", app, "users", user, scope="user")
    history = await services_of(request).key_histories.of_scope(
        app, user, page.key, before=page.before, limit=page.limit + 1
    )
    return history_reply(page, history)
