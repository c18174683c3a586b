"""Entries of transcripts, and messages for user interfaces."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, RootModel

from api.v1.schemas.base import Done as Done
from api.v1.schemas.base import JsonMap, Sequence, Shape
from api.v1.schemas.turn.parts import Parts
from domain.values import Role, ToolOutcome, TurnSource


class MessageDone(Done):
    """The message is in the transcript."""

    message_id: str


SpokenBy = Annotated[str | None, Field(description="which agent")]


class _Entry(Shape):
    id: str
    sequence: Sequence
    at: datetime
    actor: Annotated[str | None, Field(description="who recorded it")] = None
    claimed_actor: Annotated[
        str | None, Field(description="who the client says it was, where the actor is a token")
    ] = None


class MessageEntry(_Entry):
    """What somebody said, or with kind `thought` what the agent showed of its reasoning."""

    kind: Literal["message", "thought"]
    role: Role
    turn_id: str | None = None
    parts: Parts
    author: str | None = None
    implicit: bool | None = None
    source: TurnSource | None = None
    agent: SpokenBy = None
    meta: JsonMap | None = None
    ends_at_sequence: Annotated[
        int | None, Field(description="of its last piece, if it came in several")
    ] = None
    revised_at_sequence: int | None = None


class Approval(Shape):
    """The newest request for permission that names a tool call."""

    request_id: str
    decision: Annotated[str | None, Field(description="absent while it is pending")] = None
    option_id: str | None = None
    reason: str | None = None
    arguments: Annotated[
        JsonMap | None, Field(description="with what the tool may be called, if edited")
    ] = None
    decided_by: str | None = None
    meta: JsonMap | None = None


class ToolCallEntry(_Entry):
    """A tool call with its result."""

    id: Annotated[
        str, Field(description="that of the call; with its sequence if another entry has that id")
    ]
    kind: Literal["tool_call"]
    role: Literal["agent"]
    turn_id: str | None = None
    agent: SpokenBy = None
    tool_call_id: str
    name: str
    status: Literal["open"] | ToolOutcome
    title: str | None = None
    tool_kind: Annotated[str | None, Field(description="the `kind` of the call")] = None
    input: Any = None
    content: Any = None
    output: Any = None
    returned_at_sequence: int | None = None
    late: Annotated[
        Literal[True] | None, Field(description="the result came in another turn, or in none")
    ] = None
    returned_in_turn: Annotated[str | None, Field(description="the turn in which it came")] = None
    returned_in_message: Annotated[
        str | None, Field(description="the message of which it is a part")
    ] = None
    approval: Approval | None = None
    meta: JsonMap | None = None
    progress_meta: JsonMap | None = None
    result_meta: JsonMap | None = None
    revised_at_sequence: int | None = None


class PermissionEntry(_Entry, Approval):
    """A permission that was asked for without a call in the transcript, and how it was decided."""

    kind: Literal["permission"]
    role: Literal["agent"]
    turn_id: str | None = None
    agent: SpokenBy = None
    title: str | None = None
    tool: str | None = None
    tool_call_id: str | None = None


class BrokenBy(Shape):
    """Why a turn broke."""

    kind: str
    summary: str | None = None
    bundle: str | None = None


class TurnFailedEntry(_Entry):
    """A turn broke."""

    kind: Literal["turn_failed"]
    role: Literal["system"]
    turn_id: str | None = None
    failure: BrokenBy


class TurnCancelledEntry(_Entry):
    """A turn was ended by somebody, or by a stop."""

    kind: Literal["turn_cancelled"]
    role: Literal["system"]
    turn_id: str | None = None
    reason: str


class ConversationClearedEntry(_Entry):
    """What was said before was cleared; the first entry there is then."""

    kind: Literal["conversation_cleared"]
    role: Literal["system"]
    epoch: int


AnyEntry = (
    MessageEntry
    | ToolCallEntry
    | PermissionEntry
    | TurnFailedEntry
    | TurnCancelledEntry
    | ConversationClearedEntry
)


class TranscriptEntry(RootModel[AnyEntry]):
    """A message, a thought, a tool call, or a mark that nobody said, by its `kind`."""

    root: Annotated[AnyEntry, Field(discriminator="kind")]


class UiPart(Shape):
    """A part of a UI message; its fields depend on its `type`."""

    model_config = ConfigDict(extra="allow", defer_build=True)

    type: Annotated[
        str,
        Field(
            pattern=r"^(step-start|text|reasoning|file|tool-[\s\S]+|data-[\s\S]+)$",
            description="`step-start`, `text`, `reasoning`, `file`, `tool-<name>`, `data-<name>`",
        ),
    ]


class UiMessage(Shape):
    """A message as the AI SDK UI has it; what an agent did in one turn is one message."""

    id: str
    role: Literal["user", "assistant", "system"]
    parts: list[UiPart]
    metadata: Annotated[
        JsonMap,
        Field(
            description="`sequence`, `at`, `turnId`, `meta`; `parts`: of each part, by its index"
        ),
    ]


class MessagePage(Shape):
    """A page of the transcript."""

    messages: list[TranscriptEntry] | list[UiMessage]
    next_cursor: str | None
    sequence: Sequence
