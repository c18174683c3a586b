"""What is allowed with requests for content: a person fills in a form, or goes elsewhere."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from domain.errors import (
    ContentInvalid,
    InteractionDecided,
    InteractionExists,
    InteractionExpired,
    InteractionNotFound,
    Invalid,
    LimitReached,
    WrongInteraction,
)
from domain.session.declarations import Command, decides, evolves
from domain.session.events import ElicitationAnswered, ElicitationRequested, Recorded, SessionEvent
from domain.session.guards import INACTIVE, NOT_RUNNING, require_active, require_running
from domain.session.interaction.form_schema import faults_of
from domain.session.interaction.interactions import (
    begin_to_wait,
    require_new,
    require_pending,
    resolve,
    resolved,
    signs_of_life,
)
from domain.session.state import Changes, Session
from domain.session.work import Interaction
from domain.values import Identity, JsonObject

__all__ = ["AnswerElicitation", "RequestElicitation"]


MAX_MESSAGE = 10_000
MAX_URL = 2_000
URL_PATTERN = r"^https?://[^\s/?#\x00-\x1f\x7f][^\s\x00-\x1f\x7f]*$"

_URL = re.compile(URL_PATTERN)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestElicitation(Command):
    """Ask for content, on behalf of the agent."""

    request_id: Identity[str]
    message: str
    turn_id: Identity[str | None] = None
    schema: JsonObject | None = None
    url: str | None = None
    expires_at: datetime | None = None
    meta: JsonObject | None = None


@decides(RequestElicitation, refuses=(*INACTIVE, *NOT_RUNNING, InteractionExists, LimitReached))
def elicit(session: Session, command: RequestElicitation) -> list[SessionEvent]:
    """Ask for content, within a turn or, from the background, outside of any."""
    events: list[SessionEvent] = []
    if command.turn_id is None:
        require_active(session)
    else:
        require_running(session, command.turn_id)
        events = signs_of_life(session)
    require_new(session, command.request_id)
    if not command.message.strip() or len(command.message) > MAX_MESSAGE:
        raise Invalid(f"message must have 1 to {MAX_MESSAGE} characters", field="message")
    if (command.schema is None) == (command.url is None):
        raise Invalid("either a schema or a url is needed", field="schema")
    if command.url is not None and (len(command.url) > MAX_URL or not _URL.fullmatch(command.url)):
        why = f"url must be http or https with a host, at most {MAX_URL} characters without blanks"
        raise Invalid(why, field="url")
    for field, message in [] if command.schema is None else faults_of(command.schema):
        raise Invalid(f"{field}: {message}", field=field)
    asked = ElicitationRequested(
        request_id=command.request_id,
        message=command.message,
        turn_id=command.turn_id,
        schema=command.schema,
        url=command.url,
        expires_at=command.expires_at,
        meta=command.meta,
    )
    return [*events, asked]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerElicitation(Command):
    """Give the content, decline to, or turn away without an answer (`cancel`).

    `violations` are what is wrong with the content by the schema of the request; None says that no
    such request was known when the content should have been checked.
    """

    request_id: Identity[str]
    action: Literal["accept", "decline", "cancel"]
    content: JsonObject | None = None
    violations: tuple[str, ...] | None = None
    at: datetime | None = None


@decides(
    AnswerElicitation,
    refuses=(
        *INACTIVE,
        ContentInvalid,
        InteractionDecided,
        InteractionExpired,
        InteractionNotFound,
        WrongInteraction,
    ),
)
def answer(session: Session, command: AnswerElicitation) -> list[SessionEvent]:
    """Give content that fits the schema, or say that there will be none."""
    pending = require_pending(session, command.request_id, "elicitation", command.at)
    if command.action != "accept" or pending.schema is None:
        if command.content is not None:
            raise Invalid("this answer takes no content", field="content")
    else:
        if command.content is None:
            raise Invalid("accepting needs content", field="content")
        if command.violations is None:
            raise InteractionNotFound(
                "the request came after this answer to it; look at what it asks for, and try again",
                interaction_id=command.request_id,
            )
        if command.violations:
            raise ContentInvalid(
                f"the content does not fit the schema: {command.violations[0]}",
                interaction_id=command.request_id,
                violations=list(command.violations),
            )
    if command.action == "cancel":
        return [resolved(pending, "cancelled", "dismissed")]
    return [
        ElicitationAnswered(
            request_id=command.request_id, action=command.action, content=command.content
        )
    ]


@evolves(ElicitationRequested)
def _elicited(session: Session, event: ElicitationRequested, recorded: Recorded) -> Changes:
    waiting = Interaction(
        request_id=event.request_id,
        kind="elicitation",
        turn_id=event.turn_id,
        message=event.message,
        schema=event.schema,
        url=event.url,
        expires_at=event.expires_at,
        meta=event.meta,
        sequence=recorded.sequence,
        requested_at=recorded.at,
    )
    return begin_to_wait(session, waiting, recorded)


@evolves(ElicitationAnswered)
def _answered(session: Session, event: ElicitationAnswered, recorded: Recorded) -> Changes:
    return resolve(session, event.request_id, event.action, recorded)
