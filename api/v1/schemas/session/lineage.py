"""Children and forks: bodies and answers."""

from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field

from api.v1.schemas.base import (
    NAME_PATTERN,
    Body,
    Done,
    JsonMap,
    Name,
    ProviderId,
    Sequence,
    Shape,
    Uuid,
    all_of,
)
from api.v1.schemas.base import Title as TitleText
from api.v1.schemas.commands import Tags
from api.v1.schemas.session.session_shape import Session
from api.v1.schemas.session.sessions import AgentBody, GrantsBody, LimitsBody, RulesBody, Ttl
from api.v1.schemas.turn.activity_data import EventNumber
from domain.session.family.spawning import EXTRACTOR, RESERVED

_UNDER_A_STOPPED_PARENT: JsonMap = {
    "properties": {
        "allow_stopped_parent": {"const": True},
        "role": {"not": {"const": EXTRACTOR}},
    },
    "required": ["allow_stopped_parent"],
}


class SpawnBody(Body):
    """A child to begin, with no more than what its parent has.

    A client's own `id` makes the request safe to repeat while the child lives.
    """

    model_config = ConfigDict(json_schema_extra={"not": _UNDER_A_STOPPED_PARENT})

    id: Uuid | None = None
    agent: AgentBody
    ttl_seconds: Ttl
    role: Annotated[
        Name,
        Field(
            json_schema_extra={"pattern": NAME_PATTERN, "not": {"const": RESERVED}},
            description="not coordinator; memory-extractor may have a stopped parent",
        ),
    ] = "worker"
    auto_stop: Annotated[bool, Field(description="it ends with its parent")] = True
    grants: GrantsBody | None = None
    workspace: Annotated[Name | None, Field(description="that of the parent, or absent")] = None
    title: TitleText | None = None
    permissions: RulesBody | None = None
    limits: LimitsBody | None = None
    metadata: JsonMap = {}
    allow_stopped_parent: bool = False


class ForkBody(Body):
    """Where a fork goes its own way, and what is different in it; the rest is as it was there."""

    model_config = ConfigDict(json_schema_extra={"not": all_of("at", "message_id")})

    id: Uuid | None = None
    at: Annotated[
        EventNumber | None, Field(description="after this event; the newest when absent")
    ] = None
    message_id: Annotated[
        ProviderId | None,
        Field(description="in the place of `at`: after all of this entry of the transcript"),
    ] = None
    title: TitleText | None = None
    tags: Tags = []
    agent: AgentBody | None = None
    metadata: JsonMap = {}
    permissions: RulesBody | None = None
    limits: LimitsBody | None = None
    starting: bool = False
    ttl_seconds: Ttl | None = None


class Spawned(Done):
    """The child; `sequence` and `position` are those of the parent."""

    session: Session


class Ancestry(Shape):
    """The parent, its parent and so on: the root comes last."""

    ancestors: list[UUID]
    sequence: Sequence
