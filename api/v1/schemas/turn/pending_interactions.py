"""Requests that wait for a person, as they are shown."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import (
    Field,
    RootModel,
)

from api.v1.schemas.base import (
    Done,
    JsonMap,
    Sequence,
    Shape,
)
from domain.session.work import InteractionKind
from domain.values import Grant


class OfferedOption(Shape):
    """One answer on offer."""

    option_id: str
    name: str
    kind: str


class _Pending(Shape):
    request_id: str
    expires_at: Annotated[datetime | None, Field(description="when it is decided as `timeout`")]
    meta: Annotated[JsonMap | None, Field(description="what the agent said of it")]
    sequence: Sequence
    requested_at: datetime


class PendingPermission(_Pending):
    """A permission that waits for a person."""

    kind: Literal["permission"]
    turn_id: str
    tool_call_id: str | None
    title: str | None
    tool: str | None
    arguments: JsonMap | None
    options: list[OfferedOption]


class PendingElicitation(_Pending):
    """Content that is waited for: of a form (`schema`), or something done at a `url`."""

    kind: Literal["elicitation"]
    turn_id: Annotated[str | None, Field(description="null when it belongs to no turn")]
    message: str
    form: Annotated[JsonMap | None, Field(alias="schema")]
    url: str | None


class Interaction(RootModel[PendingPermission | PendingElicitation]):
    """A request that waits for a person, by its `kind`."""

    root: Annotated[PendingPermission | PendingElicitation, Field(discriminator="kind")]


class DecidedInteraction(Shape):
    """How a request was decided; `decision` is the kind of the option, the action, or why not."""

    request_id: str
    kind: InteractionKind
    decision: str
    option_id: str | None
    grant: Grant | None
    arguments: JsonMap | None
    content: JsonMap | None
    reason: str | None
    sequence: Sequence
    decided_at: datetime


class InteractionPage(Shape):
    """What is pending; and with `pending=false` what was decided, the newest last."""

    interactions: list[Interaction]
    decided: list[DecidedInteraction]
    sequence: Sequence


class InteractionStanding(Shape):
    """What has become of a request."""

    request_id: str
    status: Literal["pending", "decided"]
    decision: Annotated[str | None, Field(description="as it was told to whoever decided")]
    interaction: Annotated[Interaction | None, Field(description="as long as it is pending")]
    sequence: Sequence


class InteractionRequested(Done):
    """The request waits for its decision, or the rules of the session have decided it."""

    request_id: str
    expires_at: datetime | None
    decision: Annotated[
        str | None,
        Field(description="null while it waits; else the kind of an option, or the action"),
    ]
    option_id: str | None
    arguments: Annotated[
        JsonMap | None, Field(description="with what the tool may be called, if they were edited")
    ]
    content: Annotated[JsonMap | None, Field(description="what was filled in, if it was a form")]
    reason: Annotated[str | None, Field(description="why it was decided so")]


class InteractionDecided(Done):
    """The request was decided."""

    request_id: str
    decision: Annotated[
        str, Field(description="the kind of the chosen option, the action, or `cancelled`")
    ]
