"""The data of each type of event that an agent may report."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
)

from api.v1.schemas.base import Body, JsonMap, Name, ProviderId
from api.v1.schemas.turn.parts import Parts
from domain.values import Agent, ToolOutcome


def whole(value: Any) -> Any:
    """Return 5.0 as 5, which it is to JSON Schema and to clients with one kind of number."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Count = Annotated[int, Field(ge=0, le=2**53), BeforeValidator(whole)]
EventNumber = Annotated[int, Field(ge=1, le=2**53), BeforeValidator(whole)]


class SaidData(Body):
    """The data of `agent.message` and `agent.thought`."""

    parts: Parts
    message_id: ProviderId | None = None
    meta: JsonMap | None = None


class ToolCalledData(Body):
    """The data of `tool.called`."""

    tool_call_id: ProviderId
    name: Name
    input: Any = None
    title: str | None = None
    kind: str | None = None
    meta: JsonMap | None = None


class ToolProgressedData(Body):
    """The data of `tool.progressed`."""

    tool_call_id: ProviderId
    title: str | None = None
    content: Any = None
    meta: JsonMap | None = None


class ToolReturnedData(Body):
    """The data of `tool.returned`."""

    tool_call_id: ProviderId
    status: ToolOutcome = "completed"
    output: Any = None
    meta: JsonMap | None = None


class PlanUpdatedData(Body):
    """The data of `plan.updated`."""

    entries: Annotated[list[JsonMap], Field(max_length=1000)]
    meta: JsonMap | None = None


class UsageData(Body):
    """Tokens and cost."""

    input_tokens: Count | None = None
    output_tokens: Count | None = None
    total_tokens: Count | None = None
    cached_tokens: Count | None = None
    reasoning_tokens: Count | None = None
    cost: Annotated[float, Field(ge=0, le=1e12)] | None = None
    currency: Annotated[str, Field(max_length=10)] | None = None


class UsageReportedData(UsageData):
    """The data of `usage.reported`."""

    meta: JsonMap | None = None


class RuntimeNoticeData(Body):
    """The data of `runtime.notice`."""

    level: Literal["debug", "info", "warning", "error"]
    text: Annotated[str, Field(min_length=1)]
    meta: JsonMap | None = None


class AgentData(Body):
    """An agent and the model behind it."""

    name: Name
    provider: Name | None = None
    model: Name | None = None
    reasoning_effort: Name | None = None

    def to_domain(self) -> Agent:
        """Return the value it stands for."""
        return Agent(
            name=self.name,
            provider=self.provider,
            model=self.model,
            reasoning_effort=self.reasoning_effort,
        )


class AgentSwitchedData(Body):
    """The data of `agent.switched`."""

    agent: AgentData
    reason: str | None = None
    meta: JsonMap | None = None


class ContextCompactedData(Body):
    """The data of `context.compacted`."""

    summary: str | None = None
    meta: JsonMap | None = None


Reportable = Literal[
    "agent.message",
    "agent.thought",
    "tool.called",
    "tool.progressed",
    "tool.returned",
    "plan.updated",
    "usage.reported",
    "runtime.notice",
    "agent.switched",
    "context.compacted",
]
DATA: Mapping[Reportable, type[Body]] = {
    "agent.message": SaidData,
    "agent.thought": SaidData,
    "tool.called": ToolCalledData,
    "tool.progressed": ToolProgressedData,
    "tool.returned": ToolReturnedData,
    "plan.updated": PlanUpdatedData,
    "usage.reported": UsageReportedData,
    "runtime.notice": RuntimeNoticeData,
    "agent.switched": AgentSwitchedData,
    "context.compacted": ContextCompactedData,
}
"""The wire model of the data of each type that may be reported."""
