"""How a session is at a moment, as clients see it."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from api.v1.schemas.base import Shape
from application.ports.session.leases import Process
from domain.badges import Badge
from domain.health import Health, HealthState

AgentProcess = Annotated[Process, Field(description="how the process of the agent is said to be")]
AttachedTo = Annotated[str | None, Field(description="who drives the session")]
AttachExpiresAt = Annotated[
    datetime | None, Field(description="from then on it is free, unless the lease is renewed")
]


class SessionHealth(Shape):
    """How a session is at the moment at which somebody looks."""

    state: HealthState
    health: Health
    badge: Annotated[Badge, Field(description="by its health")]
    active_prompt: Annotated[bool, Field(description="a turn runs")]
    attachable: Annotated[bool, Field(description="somebody may attach to it now")]
    eligible_for_wake: Annotated[bool, Field(description="it may be given work of its own accord")]
    ineligibility_reason: Annotated[
        Literal[
            "session_prompt_active",
            "session_not_attachable",
            "session_unhealthy",
            "session_health_stale",
            "session_health_hung",
            "session_health_dead",
            "session_health_unknown",
        ]
        | None,
        Field(description="why it may not"),
    ]
    last_activity_at: Annotated[datetime, Field(description="of its last message")]
    last_presence_at: Annotated[
        datetime | None, Field(description="when somebody last vouched for it")
    ]
    reporter: Annotated[str | None, Field(description="who that was")]
    process: AgentProcess | None
    process_since: Annotated[datetime | None, Field(description="since when the same is said")]
    last_error: Annotated[str | None, Field(description="what is wrong with it")]
    attached_to: AttachedTo
    attach_expires_at: AttachExpiresAt
