"""The pieces of a message. They stay plain JSON objects: the log keeps them as they came."""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import ConfigDict, Discriminator, Field, StringConstraints, Tag, with_config
from typing_extensions import TypedDict

from api.v1.schemas.base import NAME_PATTERN, STRICT, JsonMap, ProviderId
from domain.blobs import BLOB_PATTERN
from domain.parts import BASE64_PATTERN

ShortText = Annotated[str, Field(min_length=1, max_length=200)]
Url = Annotated[str, Field(min_length=1, json_schema_extra={"pattern": r"\S"})]
Base64 = Annotated[str, Field(min_length=1, json_schema_extra={"pattern": BASE64_PATTERN})]
BlobName = Annotated[
    str,
    Field(
        json_schema_extra={"pattern": BLOB_PATTERN},
        description="bytes that were sent as a blob, by their SHA-256",
    ),
]

_KNOWN = ("text", "reasoning", "image", "file", "tool_call", "tool_result", "data")
_HOLDS = ConfigDict(
    extra="forbid",
    strict=True,
    frozen=True,
    json_schema_extra={
        "anyOf": [
            {"required": ["url"], "not": {"required": ["blob"]}},
            {"required": ["data"], "not": {"required": ["blob"]}},
            {"required": ["blob"]},
        ]
    },
)


@with_config(STRICT)
class TextPart(TypedDict):
    """Something said; it may be empty."""

    type: Literal["text"]
    text: str
    meta: NotRequired[JsonMap]


@with_config(STRICT)
class ReasoningPart(TypedDict):
    """Something thought; empty where a provider gives its signature alone."""

    type: Literal["reasoning"]
    text: str
    signature: NotRequired[str]
    meta: NotRequired[JsonMap]


@with_config(_HOLDS)
class ImagePart(TypedDict):
    """A picture, by reference, in base64 or as a blob."""

    type: Literal["image"]
    url: NotRequired[Url]
    data: NotRequired[Base64]
    blob: NotRequired[BlobName]
    media_type: NotRequired[str]
    name: NotRequired[str]
    meta: NotRequired[JsonMap]


@with_config(_HOLDS)
class FilePart(TypedDict):
    """A file, by reference, in base64 or as a blob."""

    type: Literal["file"]
    url: NotRequired[Url]
    data: NotRequired[Base64]
    blob: NotRequired[BlobName]
    media_type: NotRequired[str]
    name: NotRequired[str]
    meta: NotRequired[JsonMap]


@with_config(STRICT)
class ToolCallPart(TypedDict):
    """A tool call that is part of a message."""

    type: Literal["tool_call"]
    tool_call_id: ProviderId
    name: ShortText
    input: NotRequired[Any]
    meta: NotRequired[JsonMap]


@with_config(STRICT)
class ToolResultPart(TypedDict):
    """A tool's result that is part of a message."""

    type: Literal["tool_result"]
    tool_call_id: ProviderId
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


@with_config(ConfigDict(strict=True, extra="allow"))
class OtherPart(TypedDict):
    """A part of any other type, such as `refusal` or `redacted_thinking`, kept verbatim."""

    type: Annotated[
        str,
        StringConstraints(min_length=1, max_length=200),
        Field(json_schema_extra={"pattern": NAME_PATTERN, "not": {"enum": [*_KNOWN]}}),
    ]


def _kind_of(part: object) -> str:
    given: Any = part
    kind = given.get("type") if isinstance(part, dict) else None
    return str(kind) if kind in _KNOWN else "other"


Part = Annotated[
    Annotated[TextPart, Tag("text")]
    | Annotated[ReasoningPart, Tag("reasoning")]
    | Annotated[ImagePart, Tag("image")]
    | Annotated[FilePart, Tag("file")]
    | Annotated[ToolCallPart, Tag("tool_call")]
    | Annotated[ToolResultPart, Tag("tool_result")]
    | Annotated[DataPart, Tag("data")]
    | Annotated[OtherPart, Tag("other")],
    Discriminator(_kind_of),
]
Parts = Annotated[list[Part], Field(min_length=1, max_length=1000)]
