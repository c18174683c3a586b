"""Turns: what starts them, what is reported of them, what ends them, and what is answered."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, RootModel

from api.v1.schemas.base import (
    Body,
    Done,
    Name,
    PartialKind,
    PartialType,
    ProviderId,
    Sequence,
    Shape,
)
from api.v1.schemas.commands import Detail
from api.v1.schemas.session.session_shape import SessionModel
from api.v1.schemas.turn.activity import UnjudgedActivity
from api.v1.schemas.turn.activity_data import UsageData
from api.v1.schemas.turn.inputs import (
    SAYS_NO_REASON,
    EndedInChild,
    InputId,
    InputMeta,
    InputTaken,
    NextTurn,
    QueuePlace,
    WithChildren,
)
from api.v1.schemas.turn.parts import Parts
from domain.session.work import TurnOutcome
from domain.values import REASONING_EFFORTS, InputMode, ModelChoice, TurnSource, Usage


class TurnInput(Body):
    """What the agent is given."""

    parts: Parts
    message_id: ProviderId | None = None


class TurnModel(Body):
    """The model that answers in this turn alone; it goes where its input goes."""

    model: Name
    provider: Name | None = None
    # The domain judges it; this only tells.
    reasoning_effort: (
        Annotated[Name, Field(json_schema_extra={"enum": [*REASONING_EFFORTS]})] | None
    ) = None

    def to_domain(self) -> ModelChoice:
        """Return the value it stands for."""
        return ModelChoice(**dict(self))


class StartTurnBody(Body):
    """The input of a turn; `mode` says what to do when another turn runs, or input waits.

    Without one it is refused. `queue` has it wait for a turn of its own, `steer` has it reach the
    running turn at its next tool boundary, `interrupt` ends that turn and all that waits, and
    `interrupt_if_waiting` does so only where the turn waits for a person and no input waits: else
    it is as `queue`.
    """

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        defer_build=True,
        json_schema_extra={
            "not": {
                "anyOf": [
                    {
                        "properties": {"mode": {"const": "steer"}, "model": {"type": "object"}},
                        "required": ["mode", "model"],
                    },
                    {
                        "properties": {
                            "source": {"const": "synthetic"},
                            **SAYS_NO_REASON["properties"],
                        },
                        "required": ["source"],
                    },
                ]
            }
        },
    )

    input: TurnInput
    source: TurnSource = "user"
    turn_id: InputId | None = None
    meta: InputMeta = None
    model: TurnModel | None = None
    mode: InputMode | None = None
    expected_turn_id: Annotated[
        Name | None, Field(description="refuse unless this very turn is running")
    ] = None


class RecordActivityBody(Body):
    """What the agent did, in order; all of it is recorded or none.

    With `on_invalid: keep` an event that is not right is recorded verbatim, as a `runtime.event`
    with the `problem`, and the rest with it. With `partial` they are pieces of messages that are
    still being written, each of one text: they are shown and kept until their message is recorded.
    With `take_inputs` what is staged reaches the agent, if one of the events is a `tool.returned`.
    """

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        defer_build=True,
        json_schema_extra={
            "not": {
                "properties": {"partial": {"const": True}},
                "required": ["partial"],
                "anyOf": [
                    {"properties": {"take_inputs": {"const": True}}, "required": ["take_inputs"]},
                    {"properties": {"on_invalid": {"const": "keep"}}, "required": ["on_invalid"]},
                ],
            }
        },
    )

    # The route checks them one by one, so that its refusal can say which it is about.
    events: Annotated[list[UnjudgedActivity], Field(min_length=1, max_length=1000)]
    partial: bool = False
    take_inputs: bool = False
    on_invalid: Literal["refuse", "keep"] = "refuse"


class CompleteTurnBody(Body):
    """How the turn ended."""

    stop_reason: Name = "end_turn"
    usage: UsageData | None = None

    def usage_to_domain(self) -> Usage | None:
        """Return the value it stands for."""
        return Usage(**dict(self.usage)) if self.usage else None


class FailTurnBody(Body):
    """What broke."""

    kind: Name = "unknown_failure"
    summary: Detail | None = None
    bundle: Detail | None = None


class CancelTurnBody(Body):
    """Why the turn is cancelled; with `hold` nothing that waits begins because of it."""

    reason: Name = "user_requested"
    hold: bool = False
    children: WithChildren = False


# ── answers ──────────────────────────────────────────────────────────────────────────────────


class TurnAnswer(Done):
    """The turn runs."""

    turn_id: str
    disposition: Literal["started"]
    previous_turn_id: Annotated[str | None, Field(description="the turn that it interrupted")]
    cancelled_inputs: Annotated[
        list[str], Field(description="what waited, and will never run because of it")
    ]
    generation: Annotated[int, Field(ge=0)]


class TurnWaiting(Done):
    """The input waits: for a turn of its own, or staged for the running one."""

    turn_id: Annotated[str, Field(description="of the turn that it will have")]
    input_id: Annotated[str, Field(description="the same")]
    disposition: Literal["queued", "staged"]
    queue_position: QueuePlace
    generation: Annotated[int, Field(ge=0)]
    next_turn_id: NextTurn


class TurnStanding(Shape):
    """What has become of a turn; its events are those of the log with `turn`."""

    turn_id: str
    status: Literal["running"] | TurnOutcome
    model: Annotated[
        SessionModel | None, Field(description="that answers in this turn alone, while it runs")
    ]
    sequence: Sequence


class KeptVerbatim(Shape):
    """An event that was not right, and was recorded verbatim."""

    index: Annotated[int, Field(ge=0, description="of the event among those that were sent")]
    code: Annotated[str, Field(description="of the problem for which it was refused")]
    detail: str


class ActivityRecorded(Done):
    """All of it was recorded."""

    first_sequence: Annotated[int, Field(ge=1)]
    inputs: Annotated[
        list[InputTaken], Field(description="with `take_inputs`, what the agent is to be given now")
    ]
    kept: Annotated[
        list[KeptVerbatim],
        Field(description="with `on_invalid: keep`, what was recorded as a `runtime.event`"),
    ]


class NextPiece(Shape):
    """Where a message that is being written goes on."""

    type: PartialType
    kind: PartialKind
    message_id: Annotated[str, Field(description="that of the turn when none was given")]
    index: Annotated[int, Field(ge=0, description="how many pieces there are")]
    offset: Annotated[int, Field(ge=0, description="how many code points there are")]


class PiecesTaken(Shape):
    """The pieces are there; nothing was recorded."""

    partial: Literal[True]
    next: list[NextPiece]
    sequence: Sequence


class ActivityAnswer(RootModel[ActivityRecorded | PiecesTaken]):
    """What was recorded, or with `partial` where each message goes on."""


class TurnEnded(Done):
    """The turn has ended."""

    next_turn_id: NextTurn


class CancelledTurn(TurnEnded):
    """The turn has ended, and those of its children if that was asked."""

    children: list[EndedInChild]
