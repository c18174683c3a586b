"""Input that waits: what is asked of the queue, and what is answered."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field

from api.v1.schemas.base import NAME_PATTERN, Body, Done, JsonMap, Name, ProviderId, Sequence, Shape
from api.v1.schemas.session.session_shape import SessionModel
from api.v1.schemas.turn.parts import Parts
from domain.session.work import InputOutcome
from domain.values import TurnSource

MAX_BATCH = 1000
_TAKEN = "dispatch"


def _not_taken(value: str) -> str:
    if value == _TAKEN:
        raise ValueError(f"{_TAKEN!r} is the name of a route; choose another id")
    return value


InputMeta = Annotated[
    JsonMap | None,
    Field(description="what is said of the input; synthetic input needs its `reason` here"),
]
SAYS_NO_REASON: JsonMap = {
    "properties": {
        "meta": {
            "not": {
                "type": "object",
                "properties": {"reason": {"type": "string", "pattern": r"\S"}},
                "required": ["reason"],
            }
        }
    }
}
"""The schema of input that may not be synthetic."""
InputId = Annotated[
    Name,
    AfterValidator(_not_taken),
    Field(json_schema_extra={"pattern": NAME_PATTERN, "not": {"enum": [_TAKEN]}}),
]
"""The id of an input, and of its turn: it has a path of its own below `inputs`."""

QueuePlace = Annotated[int, Field(ge=1, description="1 is the next one")]
NextTurn = Annotated[
    str | None, Field(description="the turn of a waiting input that began in the same moment")
]


class InputBody(Body):
    """Input for a turn of its own; its id will be that of the turn."""

    parts: Parts
    id: InputId | None = None
    message_id: ProviderId | None = None
    meta: InputMeta = None


class QueueInputsBody(Body):
    """Inputs that are to run one after the other: all are taken or none.

    The first begins at once when nothing runs or waits; with `hold` none begins because of this.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "not": {
                "properties": {
                    "source": {"const": "synthetic"},
                    "inputs": {"contains": SAYS_NO_REASON},
                },
                "required": ["source"],
            }
        }
    )

    inputs: Annotated[list[InputBody], Field(min_length=1, max_length=MAX_BATCH)]
    source: TurnSource = "followup"
    hold: bool = False


class EditInputBody(Body):
    """What the input says from now on."""

    parts: Parts


class CancelInputBody(Body):
    """Why it is taken back."""

    reason: Name = "user_requested"


class SteerInputBody(Body):
    """Which turn it is meant for; the running one when that is left out."""

    expected_turn_id: Name | None = None


WithChildren = Annotated[
    bool, Field(description="end, too, what runs in its living children, and in theirs")
]


class InterruptBody(Body):
    """Which turn is meant, the running one when that is left out, and why it is to end."""

    expected_turn_id: Name | None = None
    reason: Name = "interrupted"
    children: WithChildren = False


# ── answers ──────────────────────────────────────────────────────────────────────────────────


class InputTaken(Shape):
    """An input that reached its agent within the running turn."""

    input_id: str
    message_id: str
    parts: Parts
    source: TurnSource
    meta: JsonMap | None


class InputsTaken(Done):
    """What the agent is to be given now, the oldest first."""

    inputs: list[InputTaken]


class WaitingInput(Shape):
    """An input that waits for its turn, or with mode `steer` for the turn in `steers`."""

    input_id: Annotated[str, Field(description="the id that its turn will have")]
    message_id: str
    parts: Parts
    meta: JsonMap | None
    model: Annotated[SessionModel | None, Field(description="that answers in its turn alone")]
    mode: Literal["queue", "steer"]
    steers: Annotated[str | None, Field(description="the running turn that it is to reach")]
    source: TurnSource
    queue_position: QueuePlace
    sequence: Sequence
    queued_at: datetime


class InputPage(Shape):
    """All that waits, the next one first."""

    inputs: list[WaitingInput]
    generation: Annotated[
        int, Field(ge=0, description="raised by each interrupt: older input never runs")
    ]
    pending: Annotated[int, Field(ge=0)]
    sequence: Sequence


class InputStanding(Shape):
    """What has become of an input."""

    input_id: str
    status: Literal["queued", "staged"] | InputOutcome
    input: Annotated[WaitingInput | None, Field(description="as long as it waits")]
    sequence: Sequence


class InputPlaced(Shape):
    """What was done with one of the inputs."""

    input_id: str
    disposition: Literal["started", "queued"]
    queue_position: Annotated[int | None, Field(ge=1, description="null once its turn runs")]


class QueueAnswer(Done):
    """All of them were taken."""

    inputs: list[InputPlaced]
    generation: Annotated[int, Field(ge=0)]
    next_turn_id: NextTurn


class InputChanged(Done):
    """The input waits, as it is now."""

    input_id: str
    status: Literal["queued", "staged"]
    queue_position: QueuePlace
    steers: Annotated[str | None, Field(description="the running turn that it is to reach")]


class InputTakenBack(Done):
    """How the input has ended, be it because of this request or earlier in another way."""

    input_id: str
    status: InputOutcome


class DispatchDone(Done):
    """The oldest input has its turn now; null when none waited."""

    next_turn_id: NextTurn


class EndedInChild(Shape):
    """A turn of a child that was ended with that of its parent."""

    session_id: UUID
    turn_id: str


class Interrupted(Done):
    """What ran and waited does so no more."""

    interrupted: Annotated[bool, Field(description="a turn was cancelled")]
    previous_turn_id: Annotated[str | None, Field(description="that turn")]
    cancelled_inputs: Annotated[list[str], Field(description="what waited, the oldest first")]
    generation: Annotated[int, Field(ge=0)]
    children: list[EndedInChild]
