"""The pieces of a message. They stay plain JSON objects: the log keeps them as they came."""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field, with_config
from typing_extensions import TypedDict

from api.v1.schemas.base import STRICT, JsonMap

ShortText = Annotated[str, Field(min_length=1, max_length=200)]


@with_config(STRICT)
class TextPart(TypedDict):
    """Something said."""

    type: Literal["text"]
    text: Annotated[str, Field(min_length=1)]
    meta: NotRequired[JsonMap]


@with_config(STRICT)
class ReasoningPart(TypedDict):
    """Something thought."""

    type: Literal["reasoning"]
    text: Annotated[str, Field(min_length=1)]
    meta: NotRequired[JsonMap]


@with_config(STRICT)
class ImagePart(TypedDict):
    """A picture, by reference or in base64."""

    type: Literal["image"]
    url: NotRequired[str]
    data: NotRequired[str]
    media_type: NotRequired[str]
    name: NotRequired[str]
    meta: NotRequired[JsonMap]


@with_config(STRICT)
class FilePart(TypedDict):
    """A file, by reference or in base64."""

    type: Literal["file"]
    url: NotRequired[str]
    data: NotRequired[str]
    media_type: NotRequired[str]
    name: NotRequired[str]
    meta: NotRequired[JsonMap]


@with_config(STRICT)
class ToolCallPart(TypedDict):
    """A tool call that is part of a message."""

    type: Literal["tool_call"]
    tool_call_id: ShortText
    name: ShortText
    input: NotRequired[Any]
    meta: NotRequired[JsonMap]


@with_config(STRICT)
class ToolResultPart(TypedDict):
    """A tool's result that is part of a message."""

    type: Literal["tool_result"]
    tool_call_id: ShortText
    output: NotRequired[Any]
    is_error: NotRequired[bool]
    meta: NotRequired[JsonMap]


@with_config(STRICT)
class DataPart(TypedDict):
    """Anything else, as JSON."""

    type: Literal["data"]
    data: Any
    name: NotRequired[str]
    meta: NotRequired[JsonMap]


Part = Annotated[
    TextPart | ReasoningPart | ImagePart | FilePart | ToolCallPart | ToolResultPart | DataPart,
    Field(discriminator="type"),
]
Parts = Annotated[list[Part], Field(min_length=1, max_length=1000)]
