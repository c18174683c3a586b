"""What every wire model has in common."""

import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal, Union, cast
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from api.http.incoming.addresses import NamesSession
from domain.values import MAX_ID, MAX_STATE_KEYS, MAX_TITLE

STRICT = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

CONTROL = r"\x00-\x1f\x7f-\x9f\u2028\u2029"
"""The characters that no name has, within the brackets of a regular expression."""
NAME_PATTERN = rf"^[^{CONTROL}]*[^\s{CONTROL}][^{CONTROL}]*$"
"""What the domain takes as a name: not blank, no control characters. It judges; this only tells."""

UUID_TEXT = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE
)

TITLE_PATTERN = r"^(?=[\s\S]*\S)[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"
"""What the domain takes as a title: a name that may have tabs and line ends."""

_Told = Field(json_schema_extra={"pattern": NAME_PATTERN})

Name = Annotated[str, StringConstraints(min_length=1, max_length=200), _Told]
PartialType = Literal["agent.message", "agent.thought", "tool.called"]
PartialKind = Literal["text", "reasoning", "tool_input"]
ProviderId = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_ID),
    Field(
        json_schema_extra={"pattern": NAME_PATTERN},
        description=f"at most {MAX_ID} bytes as UTF-8",
    ),
]
Title = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_TITLE),
    Field(json_schema_extra={"pattern": TITLE_PATTERN}),
]
JsonMap = dict[str, Any]
StateMap = Annotated[
    JsonMap,
    Field(
        json_schema_extra={
            "propertyNames": {"minLength": 1, "maxLength": 200, "pattern": NAME_PATTERN},
            "maxProperties": MAX_STATE_KEYS,
        }
    ),
]
Sequence = Annotated[int, Field(ge=0, description="1, 2, 3 ... in this session; 0 before any")]
Position = Annotated[int, Field(ge=0, description="1, 2, 3 ... over all sessions")]


def _canonical(value: Any) -> UUID:
    # Python takes it in braces, as a URN and without dashes too: one id, one way to write it.
    if not (isinstance(value, str) and UUID_TEXT.fullmatch(value)):
        raise ValueError("it must be a UUID such as 01890a5d-ac96-774b-bcce-b302099a8057")
    return UUID(value)


def _named(value: Any) -> UUID:
    try:
        return _canonical(value)
    except ValueError as wrong:
        raise ValueError(f"{wrong}, or `ext:` and an external id") from None


Uuid = Annotated[UUID, BeforeValidator(_canonical)]
SessionAddress = Annotated[UUID, BeforeValidator(_named), NamesSession()]


class Body(BaseModel):
    """The body of a request: JSON types as they are, unknown fields refused."""

    model_config = STRICT


class Shape(BaseModel):
    """Part of an answer, for the document; answers themselves are built from stored bytes."""

    # Only documents are made from it: it is built when the first of them is asked for.
    model_config = ConfigDict(extra="forbid", defer_build=True)


class Done(Shape):
    """The command was recorded, or it was already so."""

    sequence: Annotated[Sequence, Field(description="the sequence of the session after it")]
    position: Annotated[Position, Field(description="the position of its last event")]


def none_of(*fields: str) -> JsonMap:
    """Return the schema of bodies in which no field has a value: it is left out, or null.

    Args:
        fields: Their names.
    """
    return {"properties": {field: {"type": "null"} for field in fields}}


def all_of(*fields: str) -> JsonMap:
    """Return the schema of bodies in which each of some fields has a value.

    Args:
        fields: Their names.
    """
    given = {field: {"not": {"type": "null"}} for field in fields}
    return {"properties": given, "required": [*fields]}


def one_of(models: Iterable[type[BaseModel]], discriminator: str | None = None) -> Any:
    """Return the type that is one of some models, for models that are made and not written.

    Args:
        models: At least two.
        discriminator: The field that tells them apart.
    """
    union = cast("Any", Union)[tuple(models)]
    if discriminator is None:
        return union
    return cast("Any", Annotated)[union, Field(discriminator=discriminator)]
