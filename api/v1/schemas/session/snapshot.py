"""A session as it is now, with what its turn is about."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from api.v1.schemas.base import Done as Done
from api.v1.schemas.base import JsonMap, PartialKind, PartialType, Position, Sequence, Shape
from api.v1.schemas.session.session_shape import Session, SessionModel
from api.v1.schemas.turn.inputs import WaitingInput
from api.v1.schemas.turn.pending_interactions import Interaction
from api.v1.schemas.turn.permissions import HeldGrants, RulesCeiling
from api.v1.schemas.turn.transcript import TranscriptEntry
from domain.values import TurnSource


class PartialMessage(Shape):
    """A message that is being written, or a piece of it: what stands from `offset` on."""

    type: PartialType
    kind: PartialKind
    message_id: Annotated[str, Field(description="that of the turn when its sender gave none")]
    name: Annotated[str | None, Field(description="the tool that it is the input of")]
    index: Annotated[int, Field(ge=0, description="how many pieces are before it")]
    pieces: Annotated[int, Field(ge=0, description="how many pieces it is")]
    offset: Annotated[int, Field(ge=0, description="how many code points are before it")]
    text: str


class OpenTurn(Shape):
    """The running turn; `partial` is live: what is being written in it, each message whole."""

    turn_id: str
    source: TurnSource
    started_at: datetime
    sequence: Sequence
    plan: list[JsonMap]
    model: Annotated[SessionModel | None, Field(description="that answers in this turn alone")]
    partial: list[PartialMessage]


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
    inputs: Annotated[list[WaitingInput], Field(description="what waits, the next one first")]
    ceiling: RulesCeiling
    grants: HeldGrants
    capabilities: Annotated[
        JsonMap | None, Field(description="of what runs the agent, by its newest report")
    ]
    state: Annotated[
        JsonMap,
        Field(description="the `app:` and `user:` keys are live, and do not move the ETag"),
    ]
    sequence: Sequence
    position: Position
    epoch: Annotated[int, Field(ge=0)]
    store: Annotated[UUID, Field(description="another one is another log: start again")]
