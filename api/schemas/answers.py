"""What answers look like. Answers are built from stored bytes; the tests hold them to these."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, RootModel

from api.schemas.base import JsonMap, Position, Sequence, Shape
from api.schemas.parts import Parts
from domain.session.state import Status
from domain.values import StopCause, StopReason, ToolOutcome, TurnSource


class Problem(Shape):
    """A refusal as RFC 9457 has it; other members help to go on, by its `code`."""

    model_config = ConfigDict(extra="allow")

    type: Annotated[str, Field(json_schema_extra={"format": "uri"})]
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    detail: Annotated[str, Field(description="what was wrong, and what to do")]
    code: Annotated[str, Field(description="a stable word to test for")]
    request_id: str


# ── sessions ─────────────────────────────────────────────────────────────────────────────────


class SessionAgent(Shape):
    """Who answers."""

    name: str
    provider: str | None
    model: str | None
    reasoning_effort: str | None


class SessionUsage(Shape):
    """Counted over the whole session."""

    input_tokens: Annotated[int, Field(ge=0)]
    output_tokens: Annotated[int, Field(ge=0)]
    cost: float | None


class Stop(Shape):
    """Why the session stopped last."""

    cause: StopCause
    reason: StopReason
    detail: str | None


class SessionFailure(Shape):
    """Why the session failed."""

    kind: str
    summary: str | None


class Session(Shape):
    """What lists show of a session; `position` and `updated_at` are not in a snapshot."""

    id: UUID
    status: Status
    type: str
    app: str
    user: str
    workspace: str | None
    team: str | None
    scope: str | None
    title: str | None
    starred: bool
    tags: list[str]
    agent: SessionAgent | None
    metadata: JsonMap
    turn_id: Annotated[str | None, Field(description="the running turn")]
    activation: Annotated[int, Field(ge=1)]
    epoch: Annotated[int, Field(ge=0)]
    turns: Annotated[int, Field(ge=0)]
    usage: SessionUsage
    stop: Stop | None
    failure: SessionFailure | None
    created_at: datetime
    sequence: Sequence
    position: Position = 0
    updated_at: datetime | None = None


class SessionPage(Shape):
    """A page of a list of sessions."""

    sessions: list[Session]
    next_cursor: str | None


class SessionAnswer(Shape):
    """One session."""

    session: Session
    sequence: Sequence
    position: Position


class SessionStatus(Shape):
    """The least that can be asked of a session."""

    session_id: UUID
    status: Status
    sequence: Sequence
    position: Position
    updated_at: datetime


# ── commands ─────────────────────────────────────────────────────────────────────────────────


class Done(Shape):
    """The command was recorded, or it was already so."""

    sequence: Annotated[Sequence, Field(description="the sequence of the session after it")]
    position: Annotated[Position, Field(description="the position of its last event")]


class MessageDone(Done):
    """The message is in the transcript."""

    message_id: str


class TurnAnswer(Done):
    """The turn runs."""

    turn_id: str
    disposition: Literal["started"]


class ActivityRecorded(Done):
    """All of it was recorded."""

    first_sequence: Annotated[int, Field(ge=1)]


class PiecesShown(Shape):
    """The pieces went to those who follow now; nothing was recorded."""

    partial: Literal[True]
    sequence: Sequence


class ActivityAnswer(RootModel[ActivityRecorded | PiecesShown]):
    """What was recorded, or with `partial` that it was shown."""


class StatusDone(Done):
    """Where the session stands now."""

    status: Status
    activation: Annotated[int, Field(ge=1)]
    cause: StopCause | None


class InteractionRequested(Done):
    """The request waits for its decision."""

    request_id: str


class InteractionDecided(Done):
    """The request was decided."""

    request_id: str
    decision: Annotated[str, Field(description="the kind of the option that was chosen")]


# ── reads ────────────────────────────────────────────────────────────────────────────────────


class MessageEntry(Shape):
    """What somebody said, or with kind `thought` what the agent showed of its reasoning."""

    id: str
    kind: Literal["message", "thought"]
    role: Literal["user", "agent", "system"]
    sequence: Sequence
    at: datetime
    turn_id: str | None = None
    parts: Parts
    author: str | None = None
    implicit: bool | None = None
    revised_at_sequence: int | None = None


class ToolCallEntry(Shape):
    """A tool call with its result."""

    id: Annotated[str, Field(description="the id of the tool call")]
    kind: Literal["tool_call"]
    role: Literal["agent"]
    sequence: Sequence
    at: datetime
    turn_id: str | None = None
    name: str
    status: Literal["open"] | ToolOutcome
    title: str | None = None
    input: Any = None
    content: Any = None
    output: Any = None


class TranscriptEntry(RootModel[MessageEntry | ToolCallEntry]):
    """A message, a thought or a tool call, by its `kind`."""

    root: Annotated[MessageEntry | ToolCallEntry, Field(discriminator="kind")]


class UiPart(Shape):
    """A part of a UI message; its fields depend on its `type`."""

    model_config = ConfigDict(extra="allow")

    type: Annotated[
        str,
        Field(
            pattern=r"^(text|reasoning|file|tool-[\s\S]+|data-[\s\S]+)$",
            description="`text`, `reasoning`, `file`, `tool-<name>` or `data-<name>`",
        ),
    ]


class UiMessage(Shape):
    """A message as the AI SDK UI has it; what an agent did in one turn is one message."""

    id: str
    role: Literal["user", "assistant", "system"]
    parts: list[UiPart]
    metadata: Annotated[JsonMap, Field(description="`sequence`, `at`, and `turnId` if any")]


class MessagePage(Shape):
    """A page of the transcript."""

    messages: list[TranscriptEntry] | list[UiMessage]
    next_cursor: str | None
    sequence: Sequence


class OfferedOption(Shape):
    """One answer on offer."""

    option_id: str
    name: str
    kind: str


class Interaction(Shape):
    """A request that waits for a person."""

    request_id: str
    kind: Literal["permission"]
    turn_id: str
    tool_call_id: str | None
    title: str | None
    options: list[OfferedOption]
    sequence: Sequence
    requested_at: datetime


class InteractionPage(Shape):
    """What is pending."""

    interactions: list[Interaction]
    sequence: Sequence


class State(Shape):
    """All keys that the session sees: its own, and the `app:` and `user:` keys it shares."""

    state: JsonMap
    sequence: Sequence


class OpenTurn(Shape):
    """The running turn; `partial` is live: what was streamed since the last recorded event."""

    turn_id: str
    source: TurnSource
    started_at: datetime
    sequence: Sequence
    plan: list[JsonMap]
    partial: str


class OpenToolCall(Shape):
    """A tool call that has not returned."""

    tool_call_id: str
    name: str
    title: str | None
    input: Any
    sequence: Sequence


class Snapshot(Shape):
    """All of a session at one sequence."""

    session: Session
    transcript: list[TranscriptEntry]
    turn: OpenTurn | None
    tool_calls: list[OpenToolCall]
    interactions: list[Interaction]
    inputs: Annotated[list[Any], Field(max_length=0, description="kept for the input queue")]
    state: Annotated[
        JsonMap,
        Field(description="the `app:` and `user:` keys are live, and do not move the ETag"),
    ]
    sequence: Sequence
    position: Position
    epoch: Annotated[int, Field(ge=0)]
    store: Annotated[UUID, Field(description="another one is another log: start again")]


# ── operations ───────────────────────────────────────────────────────────────────────────────


class Health(Shape):
    """The process lives."""

    status: Literal["ok", "degraded"]
    database: Literal["up", "down"]


class Ready(Shape):
    """Requests can be served."""

    status: Literal["ready"]


class Version(Shape):
    """What runs here, and over which log."""

    name: Literal["cairn"]
    version: str
    store: UUID


class JsonDocument(RootModel[JsonMap]):
    """A document that describes this server."""
