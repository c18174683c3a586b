"""The bodies of commands."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from api.v1.schemas.base import Body, JsonMap, Name, ProviderId, none_of
from api.v1.schemas.turn.parts import Parts
from domain.values import MAX_SUMMARY, MAX_TAGS, Role

Tags = Annotated[list[Name], Field(max_length=MAX_TAGS, json_schema_extra={"uniqueItems": True})]
Detail = Annotated[str, Field(max_length=MAX_SUMMARY)]


class NewMessage(Body):
    """A message; all parts of one with the role `tool` are of the type `tool_result`."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        defer_build=True,
        json_schema_extra={
            "not": {
                "properties": {
                    "role": {"const": "tool"},
                    "parts": {
                        "contains": {"properties": {"type": {"not": {"const": "tool_result"}}}}
                    },
                },
                "required": ["role", "parts"],
            }
        },
    )

    role: Role
    parts: Parts
    id: ProviderId | None = None
    author: Name | None = None
    meta: Annotated[JsonMap | None, Field(description="what is said of the message")] = None


class AddMessageBody(NewMessage):
    """A message for the transcript."""

    implicit: bool = False


class ReviseMessageBody(Body):
    """What the entry says from now on: `parts`, and of a tool call `parts`, `input` or both."""

    model_config = ConfigDict(json_schema_extra={"not": none_of("parts", "input")})

    parts: Annotated[
        Parts | None,
        Field(description="of a tool call: what it returned; it is left when only `input` is sent"),
    ] = None
    input: Annotated[
        Any, Field(description="of a tool call: what it was called with; null leaves it")
    ] = None


class EmptyBody(Body):
    """Nothing to say."""
