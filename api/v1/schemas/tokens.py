"""Access tokens: what is asked of them, and what is answered."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field

from api.v1.schemas.base import Body, JsonMap, Name, SessionAddress, Shape, all_of, none_of
from application.tokens.manage import LONGEST
from domain.principal import RIGHTS, Right

_Allowed = Annotated[list[Right], Field(min_length=1, max_length=len(RIGHTS))]
_Seconds = Annotated[
    float,
    Field(gt=0, le=LONGEST.total_seconds(), description="how long it is good; for ever by default"),
]


_USER_OF_NO_APP: JsonMap = {
    "properties": {**all_of("user")["properties"], **none_of("app")["properties"]},
    "required": ["user"],
}


class CreateTokenBody(Body):
    """What a token is to allow, and to whom."""

    model_config = ConfigDict(json_schema_extra={"not": _USER_OF_NO_APP})

    name: Name | None = None
    allow: _Allowed
    app: Name | None = None
    user: Name | None = None
    expires_in_seconds: _Seconds | None = None


class Token(Shape):
    """A token as it can be read: never the token itself."""

    id: UUID
    name: Annotated[str, Field(description="the actor of what is done with it")]
    allow: list[Right]
    app: Annotated[str | None, Field(description="the only app that it sees; null is all")]
    user: Annotated[str | None, Field(description="the only user that it sees; null is all")]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: Annotated[datetime | None, Field(description="to the minute")]


class NewToken(Token):
    """A token that was just made."""

    token: Annotated[str, Field(description="the token itself, this once")]


class TokenList(Shape):
    """All tokens that whoever asks may see."""

    tokens: list[Token]


class CreateTicketBody(Body):
    """What a ticket is to open: the events of one session, or the feed."""

    model_config = ConfigDict(
        json_schema_extra={
            "not": {"anyOf": [all_of("session_id", "app"), all_of("session_id", "user")]}
        }
    )

    session_id: SessionAddress | None = None
    app: Annotated[Name | None, Field(description="of the feed, only this app")] = None
    user: Annotated[Name | None, Field(description="of the feed, only this user")] = None


class NewTicket(Shape):
    """A ticket that was just made."""

    ticket: Annotated[str, Field(description="the ticket itself, this once")]
    path: Annotated[str, Field(description="what it opens, with the ticket in it")]
    expires_in_seconds: Annotated[float, Field(description="until when it must be used")]


class TokenRevoked(Shape):
    """A token that is no longer good."""

    id: UUID
