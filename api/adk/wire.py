"""Events and requests of google-adk as its server reads and writes them.

Names may come in camel or in snake case, and leave in camel case; what is null is left out, as
google-adk 2.13 does it (`docs/coming-from-adk.md`).
"""

import base64
import binascii
from typing import Annotated, Any, cast

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from api.adk.credentials import without_secrets

_INTERNAL = "__adk_internal_"


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


def _camelised(value: Any) -> Any:
    """Return a value of which all fields are those of models, never names that users chose."""
    if isinstance(value, dict):
        told = cast("dict[str, Any]", value)
        return {to_camel(k): _camelised(v) for k, v in told.items() if v is not None}
    if isinstance(value, list):
        return [_camelised(item) for item in cast("list[Any]", value)]  # type: ignore[redundant-cast]
    return value


def _own_metadata(value: dict[str, Any]) -> dict[str, Any]:
    return {key: item for key, item in value.items() if not key.startswith(_INTERNAL)}


Bytes = Annotated[str, AfterValidator(url_safe)]
Model = Annotated[dict[str, Any], AfterValidator(_camelised)]
"""An object of google-genai that is passed on."""
Models = Annotated[list[Any], AfterValidator(_camelised)]
Map = Annotated[dict[str, Any], BeforeValidator(lambda value: {} if value is None else value)]
"""Null is taken for empty: other servers write it so, and ours never do."""


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
    tool_call: dict[str, Any] | None = None
    tool_response: dict[str, Any] | None = None
    part_metadata: dict[str, Any] | None = None
    audio_transcription: Model | None = None
    media_processing: Model | None = None
    speech_metadata: Model | None = None


class Content(Strict):
    """What is said."""

    parts: list[Part] | None = None
    role: str | None = None


class NodeInfo(Lenient):
    """Where in a workflow something happened."""

    path: str = ""
    output_for: list[str] | None = None
    message_as_output: bool | None = None


class Compaction(Strict):
    """A summary in the place of events."""

    start_timestamp: float
    end_timestamp: float
    compacted_content: Content


class ToolConfirmation(Strict):
    """What a person said of a call."""

    hint: str = ""
    confirmed: bool = False
    payload: Any = None


class Actions(Strict):
    """What an event does beside saying something."""

    skip_summarization: bool | None = None
    state_delta: Map = Field(default_factory=dict[str, Any])
    artifact_delta: Annotated[
        dict[str, int], BeforeValidator(lambda value: {} if value is None else value)
    ] = Field(default_factory=dict[str, int])
    transfer_to_agent: str | None = None
    transfer_reason: str | None = None
    escalate: bool | None = None
    requested_auth_configs: Map = Field(default_factory=dict[str, Any])
    requested_tool_confirmations: dict[str, ToolConfirmation] = Field(
        default_factory=dict[str, ToolConfirmation]
    )
    compaction: Compaction | None = None
    end_of_agent: bool | None = None
    agent_state: dict[str, Any] | None = None
    rewind_before_invocation_id: str | None = None
    route: bool | int | str | list[bool | int | str] | None = None
    render_ui_widgets: list[Any] | None = None
    set_model_response: Any = None


class Event(Lenient):
    """One event of google-adk; `routes` and `requestedInput` are those of its Go version."""

    model_version: str | None = None
    content: Content | None = None
    grounding_metadata: Model | None = None
    partial: bool | None = None
    turn_complete: bool | None = None
    turn_complete_reason: str | None = None
    interaction_status: str | None = None
    finish_reason: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    interrupted: bool | None = None
    custom_metadata: Annotated[dict[str, Any], AfterValidator(_own_metadata)] | None = None
    usage_metadata: Model | None = None
    live_session_resumption_update: Model | None = None
    live_session_id: str | None = None
    go_away: Model | None = None
    voice_activity: Model | None = None
    input_transcription: Model | None = None
    output_transcription: Model | None = None
    avg_logprobs: float | None = None
    logprobs_result: Model | None = None
    cache_metadata: Model | None = None
    citation_metadata: Model | None = None
    interaction_id: str | None = None
    environment_id: str | None = None
    invocation_id: str = ""
    author: str = ""
    actions: Annotated[Actions, BeforeValidator(lambda value: {} if value is None else value)] = (
        Field(default_factory=Actions)
    )
    output: Any = None
    node_info: NodeInfo = Field(default_factory=NodeInfo)
    long_running_tool_ids: list[str] | None = None
    branch: str | None = None
    isolation_scope: str | None = None
    id: str = ""
    timestamp: float | None = None
    routes: list[Any] | None = None
    requested_input: dict[str, Any] | None = None


class CreateSession(Lenient):
    """What a session is to begin with."""

    session_id: str | None = None
    state: dict[str, Any] | None = None
    events: list[Event] | None = None
    options: dict[str, Any] | None = None


class UpdateSession(Lenient):
    """Keys of the state to be set."""

    state_delta: dict[str, Any]


class SaveArtifact(Lenient):
    """The next version of an artifact."""

    filename: str
    artifact: Part
    custom_metadata: dict[str, Any] | None = None


class UpdateMemory(Lenient):
    """Which session is to be remembered."""

    session_id: str


class RewindSession(Lenient):
    """Back to where an invocation began."""

    rewind_before_invocation_id: str


class RunAgent(Lenient):
    """What an agent is to be given, and how it is to run."""

    app_name: str | None = None
    user_id: str
    session_id: str
    new_message: Content | None = None
    streaming: bool = False
    state_delta: dict[str, Any] | None = None
    function_call_event_id: str | None = None
    invocation_id: str | None = None
    custom_metadata: dict[str, Any] | None = None
    service_tier: str | None = None


def event_record(event: Event, *, new_id: str, now: float) -> dict[str, Any]:
    """Return an event as it is kept and answered, less what nobody may keep.

    Args:
        event: As it came.
        new_id: Its id if it has none.
        now: Its time if it has none, seconds since 1970.
    """
    record = event.model_dump(by_alias=True, exclude_none=True)
    record["id"] = record["id"] or new_id
    record.setdefault("timestamp", now)
    if event.long_running_tool_ids is not None:
        record["longRunningToolIds"] = sorted(set(event.long_running_tool_ids))
    delta = record["actions"]["stateDelta"]
    if any(key.startswith("temp:") for key in delta):
        record["actions"]["stateDelta"] = {
            key: value for key, value in delta.items() if not key.startswith("temp:")
        }
    return without_secrets(record)
