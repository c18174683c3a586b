"""The persona, the sandbox, the runtime and the peers of an agent: bodies and answers."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from api.v1.schemas.base import Body, Done, JsonMap, Name, ProviderId, Sequence, Shape
from api.v1.schemas.commands import Detail
from api.v1.schemas.turn.activity_data import Count
from domain.session.environment.profile import MAX_BODY
from domain.session.environment.runtime import MAX_OFFERED, MAX_REPORT
from domain.values import ModelSwitching

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


Switching = Annotated[
    ModelSwitching,
    Field(
        description="which models an agent can be made to answer with: whatever is named (any),"
        " those in models (offered), or its own alone (none)"
    ),
]


class OfferedModelBody(Body):
    """A model that an agent can be made to answer with."""

    ref: Annotated[Name, Field(description="what it is chosen by")]
    name: Annotated[Name | None, Field(description="what people call it")] = None
    provider: Name | None = None
    model: Annotated[Name | None, Field(description="what its provider calls it")] = None
    is_default: bool = False
    details: Annotated[
        JsonMap | None, Field(description="what else is known, such as costs and limits of tokens")
    ] = None


class RuntimeBody(Body):
    """What runs the agent; it takes the place of what was said before."""

    runtime_session_id: Annotated[
        ProviderId | None, Field(description="what the runtime itself calls the session")
    ] = None
    name: Name | None = None
    version: Name | None = None
    capabilities: Annotated[
        JsonMap, Field(description=f"with all the rest at most {MAX_REPORT} bytes of JSON")
    ] = {}
    models: Annotated[list[OfferedModelBody], Field(max_length=MAX_OFFERED)] = []
    switching: Switching = "any"


class RuntimeModel(Shape):
    """A model that an agent can be made to answer with."""

    ref: str
    name: str | None
    provider: str | None
    model: str | None
    is_default: bool
    details: JsonMap | None


class Runtime(Shape):
    """What runs the agent, and which event said it."""

    runtime_session_id: str | None
    name: str | None
    version: str | None
    capabilities: JsonMap
    models: list[RuntimeModel]
    switching: Switching
    at_sequence: Annotated[int, Field(ge=1, description="of the event that holds it")]
    at: datetime


class RuntimeAnswer(Shape):
    """What runs the agent, if it was said."""

    runtime: Runtime | None
    sequence: Sequence


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
