"""Access tokens: make one, list them, revoke one."""

from datetime import timedelta
from uuid import UUID

from litestar.response.base import ASGIResponse

from api.http.around.authorization import owner_of_token, principal_of
from api.http.describing.route_docs import Describes
from api.http.incoming.bodies import body_of
from api.http.incoming.preconditions import refuse_conditions
from api.http.incoming.requests import HttpRequest, name_of
from api.http.outgoing.responses import json_response, to_json
from api.http.routing import delete, get, post
from api.services import services_of
from api.v1.documents.tokens import token_document
from api.v1.schemas.base import UUID_TEXT
from api.v1.schemas.commands import EmptyBody
from api.v1.schemas.tokens import (
    CreateTicketBody,
    CreateTokenBody,
    NewTicket,
    NewToken,
    TokenList,
    TokenRevoked,
)
from application.errors import TokenNotFound
from application.tokens.tickets import LIFETIME

_PATH = "/v1/tokens"
_TOPIC = "Access"


@post(_PATH, right="admin")
@Describes(_TOPIC, body=CreateTokenBody, answers={201: NewToken}, of_sessions=False)
async def create_token(request: HttpRequest) -> ASGIResponse:
    """Make an access token; from the first one on every request needs one."""
    refuse_conditions(request)
    body = await body_of(request, CreateTokenBody, defaults=owner_of_token(request))
    services, seconds = services_of(request), body.expires_in_seconds
    secret, token = await services.tokens.create(
        name=body.name,
        rights=frozenset(body.allow),
        app=body.app,
        user=body.user,
        lifetime=None if seconds is None else timedelta(seconds=seconds),
        by=principal_of(request),
    )
    await services.known_tokens.refresh()
    document = {**token_document(token), "token": secret}
    return json_response(
        to_json(document), status=201, headers={"Location": f"{_PATH}/{token.token_id}"}
    )


@post("/v1/tickets", right="stream")
@Describes(
    _TOPIC,
    body=CreateTicketBody,
    answers={201: NewTicket},
    problems=("session_not_found", "too_many_tickets"),
    of_sessions=False,
)
async def create_ticket(request: HttpRequest) -> ASGIResponse:
    """Make a ticket that opens one stream, once, for those who cannot send a header."""
    refuse_conditions(request)
    body = await body_of(request, CreateTicketBody)
    secret, ticket = await services_of(request).tickets.create(
        principal_of(request), session_id=body.session_id, app=body.app, user=body.user
    )
    document = {
        "ticket": secret,
        "path": f"{request.scope.get('root_path') or ''}{ticket.path}?ticket={secret}",
        "expires_in_seconds": LIFETIME.total_seconds(),
    }
    return json_response(to_json(document), status=201)


@get(_PATH, right="admin")
@Describes(_TOPIC, answers={200: TokenList})
async def list_tokens(request: HttpRequest) -> ASGIResponse:
    """List access tokens, without the tokens themselves."""
    found = await services_of(request).tokens.all(principal_of(request))
    return json_response(to_json({"tokens": [*map(token_document, found)]}))


@delete(f"{_PATH}/{{token_id:str}}", right="admin")
@Describes(
    _TOPIC,
    body=EmptyBody,
    answers={200: TokenRevoked},
    problems=("token_not_found",),
    of_sessions=False,
)
async def revoke_token(request: HttpRequest) -> ASGIResponse:
    """Revoke an access token: nobody is let in with it any more, and its streams end."""
    refuse_conditions(request)
    await body_of(request, EmptyBody)
    services, text = services_of(request), name_of(request, "token_id")
    if not UUID_TEXT.fullmatch(text):
        raise TokenNotFound
    await services.tokens.revoke(UUID(text), principal_of(request))
    await services.known_tokens.refresh()
    return json_response(to_json({"id": text.lower()}))
