"""Bodies of requests as docker-agent's clients write them; what is not known is passed over."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

MOST_MESSAGES = 1000
MOST_SESSIONS = 1000


def _list_of(value: Any) -> Any:
    return [] if value is None else value


def _object_of(value: Any) -> Any:
    return {} if value is None else value


def _text_of(value: Any) -> Any:
    return "" if value is None else value


def _whole_of(value: Any) -> Any:
    return 0 if value is None else value


def _flag_of(value: Any) -> Any:
    return False if value is None else value


# As in Go: null is the zero of a type, and nothing else is made into what it is not.
Integer = Annotated[int, Field(strict=True, ge=-(2**63), lt=2**63)]
Whole = Annotated[Integer, BeforeValidator(_whole_of)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Flag = Annotated[bool, Field(strict=True), BeforeValidator(_flag_of)]
Text = Annotated[str, BeforeValidator(_text_of)]
Texts = Annotated[list[str], BeforeValidator(_list_of)]


class Lenient(BaseModel):
    """Passes over what it does not know, as Go does."""

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)


class ImageUrl(Lenient):
    """Where a picture is, or all of it as a `data:` URL."""

    url: Text = ""
    detail: Text = ""


class MessageFile(Lenient):
    """A file by its path, or by an id that a provider gave."""

    path: Text = ""
    file_id: Text = ""
    mime_type: Text = ""


class MessagePart(Lenient):
    """A part of a message; a document is kept as it came."""

    type: Text = "text"
    text: Text = ""
    image_url: ImageUrl | None = None
    file: MessageFile | None = None
    document: dict[str, Any] | None = None


class FunctionCall(Lenient):
    """What a tool is called with: arguments are JSON in a string."""

    name: Text = ""
    arguments: Text = ""


class ToolCall(Lenient):
    """A call of a tool."""

    id: Text = ""
    type: Text = "function"
    function: FunctionCall = Field(default_factory=FunctionCall)


class UsedTokens(Lenient):
    """What a message of a model has used."""

    input_tokens: Whole = 0
    output_tokens: Whole = 0
    cached_input_tokens: Whole = 0
    cached_write_tokens: Whole = 0
    reasoning_tokens: Whole = 0


class KeptFields(Lenient):
    """What a message has there and a message of ours has no place for."""

    function_call: FunctionCall | None = None
    tool_definitions: Annotated[list[dict[str, Any]], BeforeValidator(_list_of)] = Field(
        default_factory=list[dict[str, Any]]
    )
    thought_signature: Text = ""
    usage: UsedTokens | None = None
    model: Text = ""
    cost: Annotated[Number, BeforeValidator(_whole_of)] = 0.0
    finish_reason: Text = ""
    cache_control: Flag = False

    def kept(self) -> dict[str, Any]:
        """Return those that it has."""
        named = self.model_dump(include={*KeptFields.model_fields}, exclude_unset=True)
        return {name: value for name, value in named.items() if value}


def kept_fields(value: Any) -> dict[str, Any]:
    """Return what was kept of a message; nothing where a client could not read it.

    Args:
        value: As the log has it.
    """
    try:
        return KeptFields.model_validate(value).kept()
    except ValidationError:
        return {}


class ChatMessage(KeptFields):
    """A message of a chat."""

    role: Text = ""
    content: Text = ""
    multi_content: Annotated[
        list[MessagePart], BeforeValidator(_list_of), Field(max_length=MOST_MESSAGES)
    ] = Field(default_factory=list[MessagePart])
    reasoning_content: Text = ""
    thinking_signature: Text = ""
    tool_calls: Annotated[list[ToolCall], BeforeValidator(_list_of)] = Field(
        default_factory=list[ToolCall]
    )
    tool_call_id: Text = ""
    is_error: Flag = False


class MessageBody(Lenient):
    """A message with who said it: `agentName` is in camel case there."""

    message: ChatMessage
    agent_name: Annotated[Text, Field(alias="agentName")] = ""
    implicit: Flag = False


def _wrapped(value: Any) -> Any:
    """Return a message with what is around it, where it came without."""
    if not isinstance(value, dict) or "message" in value:
        return value  # pyright: ignore[reportUnknownVariableType]
    return {"message": value}  # pyright: ignore[reportUnknownVariableType]


class ChangeMessage(Lenient):
    """A message to be added, or to stand in the place of another."""

    message: Annotated[MessageBody, BeforeValidator(_wrapped)]


class Permissions(Lenient):
    """Patterns of tools that may be called, that are asked for, and that may not be called."""

    allow: Texts = Field(default_factory=list[str])
    ask: Texts = Field(default_factory=list[str])
    deny: Texts = Field(default_factory=list[str])


class CreateSession(Lenient):
    """What a session begins with: the fields of a template that are honoured."""

    title: Text = ""
    max_iterations: Whole = 0
    max_consecutive_tool_calls: Whole = 0
    max_old_tool_call_tokens: Whole = 0
    tools_approved: Flag = False
    working_dir: Text = ""
    permissions: Permissions | None = None
    agent_model_overrides: Annotated[dict[str, str], BeforeValidator(_object_of)] = Field(
        default_factory=dict[str, str]
    )
    custom_models_used: Texts = Field(default_factory=list[str])


class RunAgent(Lenient):
    """What an agent is given, and the model that is to answer from now on."""

    messages: Annotated[
        list[ChatMessage], BeforeValidator(_list_of), Field(max_length=MOST_MESSAGES)
    ] = Field(default_factory=list[ChatMessage])
    model: Text = ""


class SendMessages(Lenient):
    """What an agent is given while it works, or afterwards."""

    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=MOST_MESSAGES)]


class Resume(Lenient):
    """The answer to a question whether a tool may be called; docker-agent has no id of it."""

    confirmation: Literal["approve", "approve-session", "approve-tool", "reject"]
    reason: Text = ""
    tool_name: Text = ""
    request_id: Text = ""
    tool_call_id: Text = ""


class Elicitation(Lenient):
    """The answer to a form or to a page."""

    action: Literal["accept", "decline", "cancel"]
    content: dict[str, Any] | None = None
    elicitation_id: Text = ""


class UpdateTitle(Lenient):
    """A title; an empty one takes it away."""

    title: Text


class UpdatePermissions(Lenient):
    """All rules; null clears them."""

    permissions: Permissions | None = None


class UpdateTokens(Lenient):
    """The totals, as they are from now on."""

    input_tokens: Whole = 0
    output_tokens: Whole = 0
    cost: Number | None = None


class UpdateStarred(Lenient):
    """Whether the session is marked."""

    starred: Annotated[bool, Field(strict=True)]


class AddSummary(Lenient):
    """What was said so far, in short.

    `first_kept_entry` is the index of the first message that the summary does not cover; v1.81
    calls it `tokens`.
    """

    summary: Text
    first_kept_entry: Whole | None = None
    tokens: Whole | None = None


class BatchOfSessions(Lenient):
    """Sessions that something is to be done with."""

    session_ids: Annotated[list[str], Field(min_length=1, max_length=MOST_SESSIONS)]
    format: Text = ""
