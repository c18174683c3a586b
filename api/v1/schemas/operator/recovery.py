"""What recovery finds and does."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from api.v1.schemas.base import Sequence, Shape


class LeftBehind(Shape):
    """A session that nobody drives any more."""

    session_id: UUID
    state: Annotated[str, Field(description="where it stood; empty when it cannot be read")]
    turn_id: Annotated[str | None, Field(description="the turn that ran, which fails with it")]
    lease_ended_at: str | None
    last_sign_at: Annotated[str | None, Field(description="when somebody last vouched for it")]
    stop_reason: Literal["agent_crashed", "error"] | None
    stop_detail: Annotated[
        str,
        Field(
            description="crashed_active, stop_incomplete, start_incomplete, orphaned_process or"
            " stalled_process; why it was not stored behind it"
        ),
    ]
    failure_kind: str | None
    persisted: Annotated[bool, Field(description="the session was stopped")]
    sequence: Sequence


class RecoveryResult(Shape):
    """The sessions that were left behind."""

    dry_run: bool
    sessions: list[LeftBehind]
    omitted: Annotated[int, Field(ge=0, description="how many more there are")]


class RecoveryAnswer(Shape):
    """What was found."""

    recovery: RecoveryResult
