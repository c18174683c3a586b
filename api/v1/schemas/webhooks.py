"""Webhooks: what is asked of them, and what is answered."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BeforeValidator, Field, StringConstraints

from api.v1.schemas.base import NAME_PATTERN, Body, Position, Shape
from application.webhooks.checks import MAX_URL
from application.webhooks.manage import LONGEST_OLD_SECRET_SECONDS, OLD_SECRET_SECONDS

_LAST_POSITION = 2**62

Url = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_URL),
    Field(json_schema_extra={"format": "uri", "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://"}),
]
Secret = Annotated[
    str,
    StringConstraints(min_length=1, max_length=100),
    Field(json_schema_extra={"pattern": r"^whsec_([A-Za-z0-9+/]{4}){8,21}$"}),
]
Types = Annotated[
    list[Annotated[str, StringConstraints(min_length=1, max_length=100)]],
    Field(
        min_length=1,
        max_length=100,
        description="names of events, or the beginnings of several such as `turn.*`",
    ),
]
# It is kept as it is, without a domain that would judge it.
Owner = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=NAME_PATTERN)]
Description = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=NAME_PATTERN)]
Batch = Annotated[int, Field(ge=1, le=500, description="the most events in one delivery")]
After = Annotated[int, Field(ge=0, le=_LAST_POSITION, description="exclusive; 0 is the beginning")]


def _start(value: Any) -> Any:
    # One sentence instead of one for each thing that it is not.
    number = isinstance(value, int) and not isinstance(value, bool)
    if value != "now" and not (number and 0 <= value <= _LAST_POSITION):
        raise ValueError('it must be a position, 0 or more, or "now"')
    return value


Start = Annotated[Literal["now"] | After, BeforeValidator(_start)]


class CreateWebhookBody(Body):
    """Whom to tell, and of what. Without a secret one is made, and shown in this answer only."""

    url: Url
    types: Types | None = None
    app: Owner | None = None
    user: Owner | None = None
    description: Description | None = None
    batch: Batch = 100
    secret: Secret | None = None
    start: Annotated[Start, Field(alias="from")] = "now"


class ChangeWebhookBody(Body):
    """What to change; what is left out stays as it is.

    Null types are all, a null description is none, and a null secret is a new one, shown in this
    answer only.
    """

    url: Url = ""
    types: Types | None = None
    description: Description | None = None
    batch: Batch = 100
    state: Literal["active", "paused"] = "active"
    secret: Secret | None = None
    old_secret_seconds: Annotated[
        int,
        Field(
            ge=0,
            le=LONGEST_OLD_SECRET_SECONDS,
            description="for how long the secret before a new one signs beside it",
        ),
    ] = OLD_SECRET_SECONDS


class ReplayBody(Body):
    """What to send: all that is wanted after `from`, up to `upto` or as far as it had come."""

    start: Annotated[After, Field(alias="from")]
    upto: Annotated[int, Field(ge=1, le=_LAST_POSITION)] | None = None


class WebhookCounts(Shape):
    """Counted since the webhook was made."""

    delivered_events: Annotated[int, Field(ge=0, description="repeats are counted too")]
    delivered_batches: Annotated[int, Field(ge=0)]
    failed_attempts: Annotated[int, Field(ge=0)]
    dead_letters: Annotated[int, Field(ge=0, description="that are there now")]


class Replaying(Shape):
    """A replay that runs; after it the webhook goes on where it was."""

    upto: Position
    resume_at: Position


class Webhook(Shape):
    """Who is told of what, and how far that has come."""

    id: UUID
    url: str
    types: Annotated[list[str] | None, Field(description="null: all")]
    app: str | None
    user: str | None
    description: str | None
    batch: int
    state: Annotated[
        Literal["active", "failing", "paused"],
        Field(description="`failing`: the next batch was tried, and will be again"),
    ]
    paused_because: Annotated[
        Literal["asked", "gone"] | None, Field(description="`gone`: the receiver answered 410")
    ]
    checkpoint: Annotated[
        Position, Field(description="all up to here is delivered, given up, or not wanted")
    ]
    head: Annotated[Position, Field(description="the newest position of the log")]
    lag: Annotated[int, Field(ge=0, description="positions up to the head, wanted or not")]
    replaying: Replaying | None
    attempts: Annotated[int, Field(ge=0, description="how often the next batch has failed")]
    next_attempt_at: datetime | None
    last_error: str | None
    last_delivered_at: datetime | None
    counts: WebhookCounts
    created_at: datetime
    updated_at: datetime
    old_secret_until: Annotated[
        datetime | None, Field(description="until then the secret before this one signs too")
    ]
    secret: Annotated[
        str | None, Field(description="in the answer to the request that made it only")
    ] = None


class WebhookPage(Shape):
    """A page of the webhooks, in the order in which they were made."""

    webhooks: list[Webhook]
    next_cursor: str | None


class WebhookDeleted(Shape):
    """It is no more."""

    id: UUID


class DeadLetter(Shape):
    """A batch that was given up: the wanted events after a position, up to another."""

    number: Annotated[int, Field(ge=1, description="1, 2, 3 ... of this webhook")]
    after: Annotated[Position, Field(description="exclusive")]
    upto: Position
    types: Annotated[list[str] | None, Field(description="null: all")]
    events: Annotated[int, Field(ge=1)]
    attempts: Annotated[int, Field(ge=1)]
    reason: str
    queued: Annotated[bool, Field(description="it will be sent once more, soon")]
    failed_at: datetime


class DeadLetterPage(Shape):
    """A page of the batches that were given up, the oldest first."""

    dead_letters: list[DeadLetter]
    next_cursor: str | None


class DeadLetterDeleted(Shape):
    """It is no more."""

    number: int
