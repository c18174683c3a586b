"""How sessions are, and who drives them: bodies and answers."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BeforeValidator, Field

from api.v1.schemas.base import Body, Done, Name, Position, Sequence, Shape, Uuid
from api.v1.schemas.commands import Detail
from api.v1.schemas.session.session_health import (
    AgentProcess,
    AttachedTo,
    AttachExpiresAt,
    SessionHealth,
)
from api.v1.schemas.session.session_shape import Session
from api.v1.schemas.turn.activity_data import whole
from application.ports.session.leases import Process
from application.reads.streams.wait_for import Condition
from application.use_cases.session.attachment import LEAST_SECONDS, MOST_SECONDS, USUAL_SECONDS
from domain.badges import Badge
from domain.session.state import Status

Seconds = Annotated[int, Field(ge=LEAST_SECONDS, le=MOST_SECONDS), BeforeValidator(whole)]


class AttachBody(Body):
    """Who is to drive the session, and for how long; with `lease_id` that lease is renewed."""

    holder: Name
    ttl_seconds: Seconds = USUAL_SECONDS
    lease_id: Uuid | None = None


class DetachBody(Body):
    """The lease to let go of."""

    lease_id: Uuid


class PresenceBody(Body):
    """Who runs the session's agent, and how its process is; `unknown` says nothing of that."""

    reporter: Name
    process: Process = "unknown"
    detail: Annotated[
        Detail | None,
        Field(
            description="stored without what looks like a secret in it",
            json_schema_extra={"pattern": r"^[^\x00]*$"},
        ),
    ] = None


class Attached(Done):
    """Who drives the session, until when; `lease_id` renews the lease and lets go of it."""

    lease_id: UUID
    holder: str
    acquired_at: datetime
    expires_at: datetime
    session: Session


class Present(Done):
    """The sign of life is kept; it is an event only when the process is no more, or again, well."""

    session_id: UUID
    reporter: str
    process: AgentProcess
    presence_at: datetime


class HealthEntry(SessionHealth):
    """Which session, and how it is."""

    session_id: UUID
    app: str
    user: str
    status: Status
    sequence: Sequence


class HealthPage(Shape):
    """A page of sessions; it may be short, even empty, and not the last."""

    sessions: list[HealthEntry]
    next_cursor: str | None


class Waited(Shape):
    """Whether the session came to it, and how it is."""

    session_id: UUID
    aim: Annotated[Condition, Field(alias="for")]
    met: Annotated[bool, Field(description="false: time was up first")]
    status: Status
    badge: Badge
    attached_to: AttachedTo
    attach_expires_at: AttachExpiresAt
    sequence: Sequence
    position: Position
    updated_at: datetime
