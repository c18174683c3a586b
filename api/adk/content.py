"""What is said in events of google-adk: content and its parts, as google-genai has them."""

import base64
import binascii
from typing import Annotated, Any, cast

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict
from pydantic.alias_generators import to_camel


class Lenient(BaseModel):
    """Passes over what it does not know."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        from_attributes=True,
        extra="ignore",
        defer_build=True,
    )


class Strict(BaseModel):
    """Refuses what it does not know, as clients of google-adk do."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        from_attributes=True,
        extra="forbid",
        defer_build=True,
    )


def url_safe(text: str) -> str:
    """Return base64 in the alphabet that google-adk writes; it takes both.

    Args:
        text: In either, padded or not.

    Raises:
        ValueError: It is none.
    """
    try:
        padded = text.replace("-", "+").replace("_", "/")
        raw = base64.b64decode(padded + "=" * (-len(padded) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("it is no base64") from None
    return base64.urlsafe_b64encode(raw).decode()


def none_as_empty(value: Any) -> Any:
    """Return an object for null: other servers write it so, and ours never do.

    Args:
        value: As it came.
    """
    return {} if value is None else value


def _camelised(value: Any) -> Any:
    """Return a value of which all fields are those of models, never names that users chose."""
    if isinstance(value, dict):
        told = cast("dict[str, Any]", value)
        return {to_camel(k): _camelised(v) for k, v in told.items() if v is not None}
    if isinstance(value, list):
        return [_camelised(item) for item in cast("list[Any]", value)]  # type: ignore[redundant-cast]
    return value


Bytes = Annotated[str, AfterValidator(url_safe)]
Model = Annotated[dict[str, Any], AfterValidator(_camelised)]
"""An object of google-genai that is passed on."""
Models = Annotated[list[Any], AfterValidator(_camelised)]
Map = Annotated[dict[str, Any], BeforeValidator(none_as_empty)]


class Blob(Strict):
    """Bytes within a message."""

    data: Bytes | None = None
    display_name: str | None = None
    mime_type: str | None = None


class FunctionCall(Strict):
    """A call of a tool."""

    id: str | None = None
    args: dict[str, Any] | None = None
    name: str | None = None
    partial_args: Models | None = None
    will_continue: bool | None = None


class FunctionResponse(Strict):
    """What a tool answered."""

    will_continue: bool | None = None
    scheduling: str | None = None
    parts: Models | None = None
    id: str | None = None
    name: str | None = None
    response: dict[str, Any] | None = None


class ToolCall(Strict):
    """A call of a tool that is run where the model is."""

    id: str | None = None
    tool_type: str | None = None
    args: dict[str, Any] | None = None


class ToolResponse(Strict):
    """What such a tool answered."""

    id: str | None = None
    tool_type: str | None = None
    response: dict[str, Any] | None = None


class Part(Strict):
    """A piece of content."""

    media_resolution: Model | None = None
    code_execution_result: Model | None = None
    executable_code: Model | None = None
    file_data: Model | None = None
    function_call: FunctionCall | None = None
    function_response: FunctionResponse | None = None
    inline_data: Blob | None = None
    text: str | None = None
    thought: bool | None = None
    thought_signature: Bytes | None = None
    video_metadata: Model | None = None
    tool_call: ToolCall | None = None
    tool_response: ToolResponse | None = None
    part_metadata: dict[str, Any] | None = None
    audio_transcription: Model | None = None
    media_processing: str | None = None
    speech_metadata: Model | None = None


class Content(Strict):
    """What is said."""

    parts: list[Part] | None = None
    role: str | None = None
