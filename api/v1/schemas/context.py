"""The persona, the sandbox and the peers of an agent: bodies and answers."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from api.v1.schemas.activity import Count
from api.v1.schemas.base import Body, Done, JsonMap, Name, Sequence, Shape
from api.v1.schemas.commands import Detail
from domain.session.environment.profile import MAX_BODY

Digest = Annotated[str, Field(min_length=1, max_length=200)]


class ProfileBody(Body):
    """The persona that the agent is to run with."""

    name: Name
    body: Annotated[str, Field(max_length=MAX_BODY, description=f"at most {MAX_BODY} bytes")]
    profile: JsonMap = {}
    expected_digest: Annotated[
        Digest | None, Field(description="of the persona that there is now; else 409")
    ] = None


class SandboxBody(Body):
    """News of the place where the agent's tools run."""

    sandbox_id: Name
    operation: Annotated[Name, Field(description="such as prepare, sync or destroy")]
    outcome: Literal["started", "completed", "failed"]
    detail: Annotated[
        Detail | None, Field(description="stored without what looks like a secret in it")
    ] = None
    duration_ms: Count | None = None
    meta: JsonMap | None = None


class PeerBody(Body):
    """Another agent that can be reached from here."""

    peer_id: Name
    display_name: Name | None = None
    channel: Name | None = None
    capabilities: Annotated[list[JsonMap], Field(max_length=100)] = []


class PeerLeftBody(Body):
    """Why the peer cannot be reached any more."""

    reason: Name | None = None


class ProfileDone(Done):
    """The persona that there is now."""

    digest: str


class Profile(Shape):
    """A persona: what it says, and which event said it."""

    digest: str
    name: str
    body: str
    profile: JsonMap
    at_sequence: Annotated[int, Field(ge=1, description="of the event that holds it")]
    at: datetime


class ProfileAnswer(Shape):
    """The persona that the agent runs with, if any."""

    profile: Profile | None
    sequence: Sequence


class PeerDone(Done):
    """The peer can be reached."""

    peer_id: str


class Peer(Shape):
    """Another agent that can be reached from here."""

    peer_id: str
    display_name: str | None
    channel: str | None
    at_sequence: Annotated[int, Field(ge=1, description="of the event that holds its capabilities")]


class Peers(Shape):
    """Who can be reached, by id."""

    peers: list[Peer]
    sequence: Sequence
