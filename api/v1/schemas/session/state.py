"""State, of a session and shared: bodies and answers."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, StringConstraints

from api.v1.schemas.base import (
    CONTROL,
    Body,
    Done,
    JsonMap,
    Name,
    Position,
    Sequence,
    Shape,
    StateMap,
)
from api.v1.schemas.turn.activity_data import Count
from domain.values import MAX_STATE_KEYS


def _pattern(prefix: str) -> str:
    return rf"^{prefix}:[^{CONTROL}]*$"


def _keys_of(prefix: str) -> Any:
    names: JsonMap = {"maxLength": 200, "pattern": _pattern(prefix)}
    return Field(json_schema_extra={"propertyNames": names, "maxProperties": MAX_STATE_KEYS})


def _key_of(prefix: str) -> Any:
    return Field(json_schema_extra={"pattern": _pattern(prefix)})


def key_schema(prefix: str) -> JsonMap:
    """Return the JSON schema of the keys that a shared scope has.

    Args:
        prefix: `app` or `user`.
    """
    return {"type": "string", "maxLength": 200, "pattern": _pattern(prefix)}


_Length = StringConstraints(min_length=1, max_length=200)
AppKey = Annotated[str, _Length, _key_of("app")]
UserKey = Annotated[str, _Length, _key_of("user")]
Deleted = Annotated[list[Name], Field(max_length=MAX_STATE_KEYS)]
Version = Annotated[
    int, Field(ge=0, description="the sequence of the last change of its plain keys, 0 before any")
]
ScopeVersion = Annotated[
    int, Field(ge=0, description="the position of the newest write, 0 before any")
]


class PatchStateBody(Body):
    """Keys to set, a null being a value like any other, and keys to delete."""

    set: StateMap = {}
    delete: Deleted = []
    expected_version: Annotated[
        Count | None, Field(description="the `version` that the state must have; else 412")
    ] = None


class PatchAppStateBody(Body):
    """Keys of an app to set and to delete, with their prefix `app:`."""

    set: Annotated[JsonMap, _keys_of("app")] = {}
    delete: Annotated[list[AppKey], Field(max_length=MAX_STATE_KEYS)] = []


class PatchUserStateBody(Body):
    """Keys of a user of an app to set and to delete, with their prefix `user:`."""

    set: Annotated[JsonMap, _keys_of("user")] = {}
    delete: Annotated[list[UserKey], Field(max_length=MAX_STATE_KEYS)] = []


class StateDone(Done):
    """The state was patched, or it was already so."""

    version: Version


class State(Shape):
    """All keys that the session sees: its own, and the `app:` and `user:` keys it shares."""

    state: JsonMap
    version: Version
    sequence: Sequence


class ScopeDone(Done):
    """The keys were patched; `sequence` counts in the log of the scope itself."""

    version: ScopeVersion


class SharedState(Shape):
    """The keys that the sessions of an app, or of one of its users, share."""

    state: JsonMap
    version: ScopeVersion


class KeyWrite(Shape):
    """Who set or deleted a key; a write that deleted it has no value.

    Of a write through the session of a user whom the token does not see, it is not said by whom.
    """

    deleted: bool
    value: Any = None
    at: datetime
    actor: str | None
    session_id: Annotated[UUID | None, Field(description="in whose log the event is")]
    sequence: Annotated[int | None, Field(ge=1)]
    position: Annotated[Position, Field(ge=1)]


class HistoryElsewhere(Shape):
    """Where a fork has the history from that is older than it."""

    session_id: UUID
    before: Annotated[int, Field(ge=2)]


class KeyHistory(Shape):
    """The writes to one key, the newest first."""

    key: str
    writes: list[KeyWrite]
    next_before: Annotated[int | None, Field(description="`before` of the page after this one")]
    continues_in: Annotated[
        HistoryElsewhere | None, Field(description="of a fork: where what is older can be read")
    ]
