"""Events and requests of google-adk as its server reads and writes them.

Names may come in camel or in snake case, and leave in camel case; what is null is left out, as
google-adk 2.13 does it (`docs/coming-from-adk.md`).
"""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from api.adk.content import Content, Lenient, Map, Model, Part, Strict, none_as_empty
from api.adk.credentials import without_secrets

_INTERNAL = "__adk_internal_"


def _own_metadata(value: dict[str, Any]) -> dict[str, Any]:
    return {key: item for key, item in value.items() if not key.startswith(_INTERNAL)}


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


class AuthConfig(BaseModel):
    """Credentials that a tool asks for; how they are described is passed on."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="allow", defer_build=True
    )

    auth_scheme: dict[str, Any]
    raw_auth_credential: dict[str, Any] | None = None
    exchanged_auth_credential: dict[str, Any] | None = None
    credential_key: str | None = None


class UiWidget(Strict):
    """Something that a user interface is to show with an event."""

    id: str
    provider: str
    payload: dict[str, Any] = Field(default_factory=dict[str, Any])


class CacheMetadata(BaseModel):
    """Of a cached context; the one part of an event that google-adk knows in snake case alone."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    cache_name: str | None = None
    expire_time: float | None = None
    fingerprint: str
    invocations_used: int | None = None
    contents_count: int
    created_at: float | None = None


class Actions(Strict):
    """What an event does beside saying something."""

    skip_summarization: bool | None = None
    state_delta: Map = Field(default_factory=dict[str, Any])
    artifact_delta: Annotated[dict[str, int], BeforeValidator(none_as_empty)] = Field(
        default_factory=dict[str, int]
    )
    transfer_to_agent: str | None = None
    transfer_reason: str | None = None
    escalate: bool | None = None
    requested_auth_configs: Annotated[
        dict[str, AuthConfig | None], BeforeValidator(none_as_empty)
    ] = Field(default_factory=dict[str, AuthConfig | None])
    requested_tool_confirmations: Annotated[
        dict[str, ToolConfirmation], BeforeValidator(none_as_empty)
    ] = Field(default_factory=dict[str, ToolConfirmation])
    compaction: Compaction | None = None
    end_of_agent: bool | None = None
    agent_state: dict[str, Any] | None = None
    rewind_before_invocation_id: str | None = None
    route: bool | int | str | list[bool | int | str] | None = None
    render_ui_widgets: list[UiWidget] | None = None
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
    cache_metadata: CacheMetadata | None = None
    citation_metadata: Model | None = None
    interaction_id: str | None = None
    environment_id: str | None = None
    invocation_id: str = ""
    author: str = ""
    actions: Annotated[Actions, BeforeValidator(none_as_empty)] = Field(default_factory=Actions)
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
