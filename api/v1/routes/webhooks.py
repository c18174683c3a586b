"""Webhooks: who is told of events, how far that has come, and what could not be told."""

from typing import Any
from uuid import UUID

from litestar.response.base import ASGIResponse

from api.http.around.authorization import narrowed, principal_of
from api.http.describing.route_docs import Describes
from api.http.incoming import cursors
from api.http.incoming.bodies import body_of
from api.http.incoming.preconditions import refuse_conditions
from api.http.incoming.query import PageQuery, with_query
from api.http.incoming.requests import HttpRequest, name_of
from api.http.outgoing.problems import Problem
from api.http.outgoing.responses import json_response, next_link, to_json
from api.http.routing import delete, get, patch, post
from api.services import Services, record_access, services_of
from api.v1.documents.webhooks import dead_letter_document, webhook_document
from api.v1.schemas.base import UUID_TEXT
from api.v1.schemas.commands import EmptyBody
from api.v1.schemas.webhooks import (
    ChangeWebhookBody,
    CreateWebhookBody,
    DeadLetter,
    DeadLetterDeleted,
    DeadLetterPage,
    ReplayBody,
    Webhook,
    WebhookDeleted,
    WebhookPage,
)
from application.errors import DeadLetterNotFound, WebhookNotFound
from application.ports.log.events import EventFilter
from application.ports.webhooks.changes import Change
from application.ports.webhooks.webhook import MOST_WEBHOOKS
from application.ports.webhooks.webhook import Webhook as StoredWebhook
from domain.errors import CairnError, Invalid
from domain.principal import NOTHING

_TOPIC = "Webhooks"
_ONE = ("webhook_not_found",)
_TARGET = ("webhook_target_refused",)
_PATH = "/v1/webhooks"


def _is_own(request: HttpRequest, webhook: StoredWebhook) -> bool:
    return principal_of(request).covers(webhook.wanted.app, webhook.wanted.user)


async def _require_own(request: HttpRequest) -> None:
    """Refuse a webhook that tells of more than whoever asks sees: it is not there for them."""
    if principal_of(request).sees_all:
        return
    if not _is_own(request, await services_of(request).webhooks.get(_webhook_id(request))):
        raise WebhookNotFound


_OWN = (_require_own,)


@post(_PATH, right="webhooks")
@Describes(
    _TOPIC,
    body=CreateWebhookBody,
    answers={201: Webhook},
    problems=("cursor_ahead", "limit_reached", *_TARGET),
    of_sessions=False,
)
async def create_webhook(request: HttpRequest) -> ASGIResponse:
    """Have somebody told of events."""
    refuse_conditions(request)
    body = await body_of(request, CreateWebhookBody)
    services = services_of(request)
    app, user = narrowed(request, body.app, body.user)
    if (app, user) == NOTHING:
        raise Problem("forbidden", "this token is for another app or user")
    made = await services.webhooks.create(
        body.url,
        EventFilter(tuple(body.types or ()), app, user),
        after=None if body.start == "now" else body.start,
        description=body.description,
        batch=body.batch,
        secret=body.secret,
    )
    document = await _document(services, made)
    if body.secret is None:
        try:
            await record_access(request, "webhook_secret", webhook_id=made.id)
        except CairnError:
            # A secret that may not be shown is lost, and so would the webhook be.
            await services.webhooks.delete(made.id)
            raise
        document["secret"] = made.secret
    where = f"{_PATH}/{made.id}"
    return json_response(to_json(document), status=201, headers={"Location": where})


@get(_PATH, right="webhooks")
@Describes(
    _TOPIC,
    answers={200: WebhookPage},
    problems=("invalid_cursor",),
    linked=True,
)
@with_query(PageQuery)
async def list_webhooks(request: HttpRequest, query: PageQuery) -> ASGIResponse:
    """List webhooks."""
    services = services_of(request)
    key = cursors.page_key(services.store.identity, "webhooks")
    limit, after = query.limit, _after(query, key)
    # There are so few that whoever sees only some of them may look through all.
    all_of_them = await services.webhooks.page(after=after, limit=MOST_WEBHOOKS)
    found = [one for one in all_of_them if _is_own(request, one)][: limit + 1]
    head = await services.webhooks.head()
    page = found[:limit]
    following = cursors.encode_place(page[-1].number, key) if len(found) > limit else None
    document = {
        "webhooks": [webhook_document(one, head) for one in page],
        "next_cursor": following,
    }
    return json_response(to_json(document), headers=_link(request, _PATH, following))


@get(f"{_PATH}/{{webhook_id:str}}", right="webhooks", guards=_OWN)
@Describes(_TOPIC, answers={200: Webhook}, problems=_ONE)
async def get_webhook(request: HttpRequest) -> ASGIResponse:
    """Read a webhook and how far it has come."""
    services = services_of(request)
    found = await services.webhooks.get(_webhook_id(request))
    return json_response(to_json(await _document(services, found)))


@patch(f"{_PATH}/{{webhook_id:str}}", right="webhooks", guards=_OWN)
@Describes(
    _TOPIC,
    body=ChangeWebhookBody,
    answers={200: Webhook},
    problems=(*_ONE, *_TARGET),
    of_sessions=False,
)
async def change_webhook(request: HttpRequest) -> ASGIResponse:
    """Change, pause or resume a webhook, or give it a new secret."""
    refuse_conditions(request)
    body = await body_of(request, ChangeWebhookBody)
    services = services_of(request)
    given = body.model_fields_set
    new_secret = "secret" in given and body.secret is None
    change = Change(
        url=body.url if "url" in given else None,
        types=tuple(body.types or ()) if "types" in given else None,
        describe="description" in given,
        description=body.description,
        batch=body.batch if "batch" in given else None,
        secret=body.secret,
        active=body.state == "active" if "state" in given else None,
    )
    webhook_id = _webhook_id(request)
    if "old_secret_seconds" in given and "secret" not in given:
        raise Invalid(
            "It is about the secret before a new one; send `secret` too, or leave it out.",
            field="old_secret_seconds",
        )
    if new_secret:
        await record_access(request, "webhook_secret", webhook_id=webhook_id)
    changed = await services.webhooks.change(
        webhook_id, change, with_new_secret=new_secret, old_secret_seconds=body.old_secret_seconds
    )
    document = await _document(services, changed)
    if new_secret:
        document["secret"] = changed.secret
    return json_response(to_json(document))


@delete(f"{_PATH}/{{webhook_id:str}}", right="webhooks", guards=_OWN)
@Describes(_TOPIC, body=EmptyBody, answers={200: WebhookDeleted}, problems=_ONE, of_sessions=False)
async def delete_webhook(request: HttpRequest) -> ASGIResponse:
    """Tell them nothing more, and forget the dead letters."""
    refuse_conditions(request)
    await body_of(request, EmptyBody)
    webhook_id = _webhook_id(request)
    await services_of(request).webhooks.delete(webhook_id)
    return json_response(to_json({"id": webhook_id}))


@post(f"{_PATH}/{{webhook_id:str}}/replay", right="webhooks", guards=_OWN)
@Describes(
    _TOPIC,
    body=ReplayBody,
    answers={200: Webhook},
    problems=(*_ONE, "nothing_to_replay"),
    of_sessions=False,
)
async def replay_webhook(request: HttpRequest) -> ASGIResponse:
    """Send what was, once more or for the first time, in order, before anything newer."""
    refuse_conditions(request)
    body = await body_of(request, ReplayBody)
    services = services_of(request)
    replayed = await services.webhooks.replay(
        _webhook_id(request), after=body.start, upto=body.upto
    )
    return json_response(to_json(await _document(services, replayed)))


@get(f"{_PATH}/{{webhook_id:str}}/dead-letters", right="webhooks", guards=_OWN)
@Describes(
    _TOPIC,
    answers={200: DeadLetterPage},
    problems=(*_ONE, "invalid_cursor"),
    linked=True,
)
@with_query(PageQuery)
async def list_dead_letters(request: HttpRequest, query: PageQuery) -> ASGIResponse:
    """List what was given up."""
    services, webhook_id = services_of(request), _webhook_id(request)
    key = cursors.page_key(services.store.identity, "dead letters", str(webhook_id))
    limit, after = query.limit, _after(query, key)
    found = await services.webhooks.dead_letters(webhook_id, after=after, limit=limit + 1)
    page = found[:limit]
    following = cursors.encode_place(page[-1].number, key) if len(found) > limit else None
    document = {"dead_letters": list(map(dead_letter_document, page)), "next_cursor": following}
    path = f"{_PATH}/{webhook_id}/dead-letters"
    return json_response(to_json(document), headers=_link(request, path, following))


@post(
    f"{_PATH}/{{webhook_id:str}}/dead-letters/{{number:str}}/retry",
    right="webhooks",
    guards=(_require_own,),
)
@Describes(
    _TOPIC,
    body=EmptyBody,
    answers={202: DeadLetter},
    problems=(*_ONE, "dead_letter_not_found", "webhook_paused"),
    of_sessions=False,
)
async def retry_dead_letter(request: HttpRequest) -> ASGIResponse:
    """Have it sent once more, soon; it is gone when it was delivered."""
    refuse_conditions(request)
    await body_of(request, EmptyBody)
    webhooks = services_of(request).webhooks
    queued = await webhooks.retry_dead_letter(_webhook_id(request), _number(request))
    return json_response(to_json(dead_letter_document(queued)), status=202)


@delete(
    f"{_PATH}/{{webhook_id:str}}/dead-letters/{{number:str}}",
    right="webhooks",
    guards=(_require_own,),
)
@Describes(
    _TOPIC,
    body=EmptyBody,
    answers={200: DeadLetterDeleted},
    problems=(*_ONE, "dead_letter_not_found"),
    of_sessions=False,
)
async def delete_dead_letter(request: HttpRequest) -> ASGIResponse:
    """Give it up for good."""
    refuse_conditions(request)
    await body_of(request, EmptyBody)
    number = _number(request)
    await services_of(request).webhooks.delete_dead_letter(_webhook_id(request), number)
    return json_response(to_json({"number": number}))


def _webhook_id(request: HttpRequest) -> UUID:
    text = name_of(request, "webhook_id")
    if not UUID_TEXT.fullmatch(text):
        raise WebhookNotFound
    return UUID(text)


def _number(request: HttpRequest) -> int:
    text = name_of(request, "number")
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise DeadLetterNotFound
    return int(text)


def _after(query: PageQuery, key: bytes) -> int:
    return 0 if query.cursor is None else cursors.decode_place(query.cursor, key, int)


def _link(request: HttpRequest, path: str, following: str | None) -> dict[str, str]:
    return next_link(request, path, cursor=following) if following else {}


async def _document(services: Services, webhook: StoredWebhook) -> dict[str, Any]:
    return webhook_document(webhook, await services.webhooks.head())
