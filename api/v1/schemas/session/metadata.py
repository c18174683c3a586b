"""Titles, usage, models and summaries: bodies and answers."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from api.v1.schemas.base import Body, Done, JsonMap, Name, ProviderId, Sequence, Shape, none_of
from api.v1.schemas.base import Title as TitleText
from api.v1.schemas.commands import Tags
from api.v1.schemas.session.context import Switching
from api.v1.schemas.session.session_shape import SessionModel, SessionUsage
from api.v1.schemas.turn.activity_data import Count
from domain.session.content.summaries import MAX_SUMMARY_CHARACTERS
from domain.values import REASONING_EFFORTS

SummaryText = Annotated[
    str,
    Field(min_length=1, max_length=MAX_SUMMARY_CHARACTERS, json_schema_extra={"pattern": r"[^\s]"}),
]


class DescribeSessionBody(Body):
    """What to change; fields that are left out stay as they are, a null title takes it away."""

    title: TitleText | None = None
    starred: bool = False
    tags: Tags = []


class RecordUsageBody(Body):
    """Totals to set, or to add: at least one; what is left out stays as it is."""

    model_config = ConfigDict(
        json_schema_extra={"not": none_of("input_tokens", "output_tokens", "cost")}
    )

    mode: Literal["set", "add"]
    input_tokens: Count | None = None
    output_tokens: Count | None = None
    cost: Annotated[float, Field(ge=0, le=1e12)] | None = None


class OverrideModelBody(Body):
    """The model that the agent is to answer with."""

    model: Name
    provider: Name | None = None
    reasoning_effort: Annotated[
        Name | None, Field(json_schema_extra={"enum": [*REASONING_EFFORTS, None]})
    ] = None


class AddSummaryBody(Body):
    """What was said so far, in short."""

    text: SummaryText
    first_kept: Annotated[
        ProviderId | None,
        Field(description="the first entry of the transcript that is kept beside it"),
    ] = None
    tokens: Count | None = None
    summary_id: Name | None = None


class UsageDone(Done):
    """The totals now."""

    usage: SessionUsage


class ModelOption(Shape):
    """A model that an agent can be made to answer with."""

    ref: Annotated[str, Field(description="what it is chosen by")]
    name: Annotated[str | None, Field(description="what people call it")]
    provider: str | None
    model: Annotated[str | None, Field(description="what its provider calls it")]
    is_default: bool
    is_current: Annotated[bool, Field(description="the agent of the session answers with it")]
    is_offered: Annotated[bool, Field(description="what runs the session has named it")]
    details: JsonMap | None


class Models(Shape):
    """The models that can be chosen, and those that agents answer with instead of their own."""

    models: Annotated[
        dict[str, SessionModel],
        Field(description="what agents answer with instead of their own, by agent"),
    ]
    agent: Annotated[str | None, Field(description="the agent that answers now")]
    is_overridden: Annotated[bool, Field(description="it answers with another than its own")]
    switching: Switching
    choices: Annotated[
        list[ModelOption],
        Field(description="as what runs the session has reported them; one of them is current"),
    ]
    sequence: Sequence


class SummaryDone(Done):
    """The summary is there."""

    summary_id: str


class Summary(Shape):
    """What was said so far, in short."""

    summary_id: str
    text: str
    first_kept: str | None
    tokens: int | None


class Summaries(Shape):
    """The newest summary of the conversation as it is now, and the ids of all there were."""

    latest: Summary | None
    summary_ids: list[str]
    sequence: Sequence
