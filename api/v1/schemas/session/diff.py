"""What differs between two moments of a session."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from api.v1.schemas.base import JsonMap, Sequence, Shape


class Change(Shape):
    """A value that is another one later."""

    before: Annotated[Any, Field(alias="from")]
    to: Any


class ChangedParts(Shape):
    """What leads from the earlier values to the later ones, each by its id or key."""

    added: JsonMap
    removed: JsonMap
    changed: dict[str, Change]


class SessionDiff(Shape):
    """What differs between two moments; all parts are empty where nothing does."""

    session_id: UUID
    before: Annotated[Sequence, Field(alias="from")]
    to: Sequence
    title: Change | None
    status: Change | None
    messages: Annotated[ChangedParts, Field(description="entries of the transcript, thoughts too")]
    tool_calls: ChangedParts
    state: Annotated[ChangedParts, Field(description="with the shared keys")]
    inputs: Annotated[ChangedParts, Field(description="those that wait")]
    interactions: Annotated[ChangedParts, Field(description="those that are pending")]
