"""The report of an analysis or a repair."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from api.v1.schemas.base import JsonMap, Sequence, Shape
from domain.repair.codes import ISSUES, Severity
from domain.repair.report import Scope, Source

IssueCode = Annotated[str, Field(json_schema_extra={"enum": list(ISSUES)})]


class RepairIssue(Shape):
    """Something that is wrong, or worth to know; docs/repair.md has a section for each code."""

    code: IssueCode
    severity: Severity
    turn_id: str | None
    event_id: str | None
    sequence: int | None
    detail: Annotated[str, Field(description="what was found")]
    advice: Annotated[str, Field(description="what a person can do")]


class RepairAction(Shape):
    """Something that would be appended, or was."""

    code: Literal["append_interrupted_tool_result", "append_terminal_error"]
    turn_id: str
    event_id: Annotated[str | None, Field(description="of the appended event")]
    tool_call_id: str | None
    tool_name: str | None
    persisted: bool


class PlannedRepairEvent(Shape):
    """An event that would be appended, as it would stand in the log but for its id and time."""

    type: str
    turn_id: str
    data: JsonMap


class RepairReport(Shape):
    """What is wrong with a session, and what was or would be appended."""

    session_id: UUID
    source: Source
    dry_run: bool
    force: bool
    scope: Scope
    analysed_sequence: Sequence
    analysed_digest: Annotated[str, Field(description="of that event, hexadecimal")]
    blocked: Annotated[bool, Field(description="there is something to do that may not be done")]
    issues: list[RepairIssue]
    issues_omitted: Annotated[int, Field(ge=0, description="how many more issues there are")]
    actions: list[RepairAction]
    planned_events: list[PlannedRepairEvent]
    planned_classification: dict[str, Any] | None
    persisted: Annotated[bool, Field(description="the plan was appended")]
    repair_id: UUID | None
    sequence: Sequence
    position: int | None
    report_digest: Annotated[
        str,
        Field(
            pattern="^sha256:[0-9a-f]{64}$",
            description="of what depends on the log and the options alone",
        ),
    ]


class Repaired(Shape):
    """The report."""

    repair: RepairReport
