"""Begin, stop, resume, clear, rewind and delete: bodies and answers."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from api.v1.schemas.base import Body, Done, Name, ProviderId, SessionAddress, Shape, all_of, none_of
from api.v1.schemas.commands import Detail
from api.v1.schemas.operator.repair import RepairReport
from api.v1.schemas.session.session_shape import SessionFailure
from api.v1.schemas.turn.activity_data import EventNumber
from domain.session.state import Status
from domain.values import Failure, StopCause, StopReason

MOST_DELETED = 200


class FailureBody(Body):
    """Why something failed: a stable kind, and a summary for a person."""

    kind: Annotated[
        Name,
        Field(
            description="any word; known are startup_failure, handshake_failure,"
            " load_session_failure, protocol_failure, prompt_failure, cancellation,"
            " permission_failure, provider_auth_failure, process_exit, transport_failure,"
            " timeout and unknown_failure"
        ),
    ]
    summary: Annotated[
        Detail | None, Field(description="stored without what looks like a secret in it")
    ] = None
    bundle: Annotated[Detail | None, Field(description="where the runtime has put more of it")] = (
        None
    )

    def to_domain(self) -> Failure:
        """Return the value it stands for."""
        return Failure(kind=self.kind, summary=self.summary, bundle=self.bundle)


class FailStartBody(Body):
    """Why the agent did not come up."""

    failure: FailureBody


class StopSessionBody(Body):
    """Why the session stops; with `when_idle` its running turn may end first."""

    cause: StopCause = "user_requested"
    detail: Detail | None = None
    failure: FailureBody | None = None
    when_idle: bool = False


class ResumeSessionBody(Body):
    """Whether the agent has to come up first."""

    starting: bool = False


class RewindBody(Body):
    """The event, or the entry of the transcript, after which all is to be as it was."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        defer_build=True,
        json_schema_extra={
            "not": {"anyOf": [none_of("to", "message_id"), all_of("to", "message_id")]}
        },
    )

    to: EventNumber | None = None
    message_id: Annotated[
        ProviderId | None, Field(description="an entry of the transcript: after all of it")
    ] = None


class BatchDeleteBody(Body):
    """Which sessions to delete, each for itself; one that is named twice is deleted once."""

    session_ids: Annotated[list[SessionAddress], Field(min_length=1, max_length=MOST_DELETED)]


class StatusDone(Done):
    """Where the session stands now."""

    status: Status
    activation: Annotated[int, Field(ge=1)]
    epoch: Annotated[int, Field(ge=0)]
    cause: Annotated[StopCause | None, Field(description="of its last stop")]
    reason: StopReason | None
    failure: SessionFailure | None


class Kept(Shape):
    """What is kept of the last activation, beside the whole history."""

    crash: Annotated[
        SessionFailure | None, Field(description="what it died of: visible until the next stop")
    ]


class ResumeDone(StatusDone):
    """Where the session stands now, and what it keeps."""

    kept: Kept
    repair: Annotated[
        RepairReport | None, Field(description="what was repaired first, with `repair=true`")
    ] = None


class ConversationDone(Done):
    """The transcript is another one; the log goes on."""

    epoch: Annotated[int, Field(ge=0, description="how often it was cleared or rewound")]


class DeletedSession(Shape):
    """What became of one session; `code` says why it failed."""

    session_id: UUID
    status: Literal["deleted", "already", "not_found", "failed"]
    code: str | None = None


class BatchDeleted(Shape):
    """What became of each session, in the order in which they were named."""

    results: list[DeletedSession]
    deleted: Annotated[int, Field(ge=0, description="how many this request deleted")]
    failed: Annotated[int, Field(ge=0, description="how many were not found, or failed")]
