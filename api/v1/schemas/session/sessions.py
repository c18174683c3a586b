"""What a session is made with: its rules, its grants and its limits."""

from typing import Annotated

from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints

from api.v1.schemas.base import NAME_PATTERN, Body, JsonMap, Name, StateMap, Uuid, all_of, none_of
from api.v1.schemas.base import Title as TitleText
from api.v1.schemas.commands import NewMessage, Tags
from api.v1.schemas.turn.activity_data import AgentData, whole
from domain.permissions.grants import GRANT_CATEGORIES, MAX_ATOMS, Grants
from domain.permissions.permission_rules import MAX_RULES, Mode, PermissionRules
from domain.values import MAX_EXTERNAL_ID, REASONING_EFFORTS, FirstType, SessionLimits

YEAR = 366 * 24 * 3600

_Whole = BeforeValidator(whole)

Rule = Annotated[str, StringConstraints(min_length=1, max_length=500)]
RuleList = Annotated[list[Rule], Field(max_length=MAX_RULES)]
Atom = Annotated[
    str,
    StringConstraints(min_length=1, max_length=1024),
    Field(json_schema_extra={"pattern": NAME_PATTERN}),
]
AtomList = Annotated[list[Atom], Field(max_length=MAX_ATOMS)]
Ttl = Annotated[
    int,
    Field(ge=1, le=YEAR, description="seconds after which the session ends by itself"),
    _Whole,
]


_OfRuntime = Annotated[
    int, Field(ge=1, le=1_000_000, description="for whoever runs the agent to hold"), _Whole
]


class RulesBody(Body):
    """Which tool calls are allowed without asking, and what holds where no rule matches."""

    mode: Mode = "ask"
    allow: RuleList = []
    ask: RuleList = []
    deny: RuleList = []

    def to_domain(self) -> PermissionRules:
        """Return the value it stands for."""
        return PermissionRules(
            mode=self.mode, allow=tuple(self.allow), ask=tuple(self.ask), deny=tuple(self.deny)
        )


class GrantsBody(Body):
    """What a session may use, and hand on to its children; what is left out is nothing."""

    tools: AtomList = []
    skills: AtomList = []
    mcp_servers: AtomList = []
    workspace_paths: AtomList = []
    network_channels: AtomList = []
    sandbox_profiles: AtomList = []

    def to_domain(self) -> Grants:
        """Return the value it stands for."""
        return Grants(**{name: tuple(getattr(self, name)) for name in GRANT_CATEGORIES})


class LimitsBody(Body):
    """What a session may use; what is left out is as the server has it."""

    queued_inputs: Annotated[int, Field(ge=1, le=1000), _Whole] | None = None
    input_bytes: Annotated[int, Field(ge=512, le=1024 * 1024), _Whole] | None = None
    turn_seconds: Annotated[int, Field(ge=1, le=7 * 24 * 3600), _Whole] | None = None
    children: Annotated[int, Field(ge=0, le=1000), _Whole] | None = None
    depth: Annotated[int, Field(ge=0, le=16), _Whole] | None = None
    iterations: _OfRuntime | None = None
    consecutive_tool_calls: _OfRuntime | None = None

    def to_domain(self) -> SessionLimits:
        """Return the value it stands for."""
        return SessionLimits(**dict(self))


class AgentBody(AgentData):
    """The agent that is to answer, and the model behind it."""

    # The domain judges it; this only tells.
    reasoning_effort: (
        Annotated[Name, Field(json_schema_extra={"enum": [*REASONING_EFFORTS]})] | None
    ) = None


_ENDLESS_COORDINATOR: JsonMap = {
    "properties": {"type": {"const": "coordinator"}, **none_of("ttl_seconds")["properties"]},
    "required": ["type"],
}


class CreateSessionBody(Body):
    """What a session begins with; a client's own id makes the request safe to repeat.

    One that is `starting` takes no turns until it is activated; a coordinator needs `ttl_seconds`.
    """

    model_config = ConfigDict(
        json_schema_extra={"not": {"anyOf": [all_of("id", "external_id"), _ENDLESS_COORDINATOR]}}
    )

    id: Uuid | None = None
    external_id: (
        Annotated[
            str,
            StringConstraints(min_length=1, max_length=MAX_EXTERNAL_ID),
            Field(
                json_schema_extra={"pattern": NAME_PATTERN},
                description="what its maker calls it, instead of an `id`: unique in the app",
            ),
        ]
        | None
    ) = None
    app: Annotated[
        Name, Field(description="the app that it belongs to; a token of one app stands for it")
    ]
    user: Annotated[
        Name, Field(description="the user that it belongs to; a token of one user stands for them")
    ]
    workspace: Name | None = None
    team: Name | None = None
    scope: Name | None = None
    tags: Tags = []
    title: TitleText | None = None
    agent: AgentBody | None = None
    state: StateMap = {}
    messages: Annotated[list[NewMessage], Field(max_length=1000)] = []
    metadata: JsonMap = {}
    type: FirstType = "user"
    starting: bool = False
    permissions: RulesBody | None = None
    grants: GrantsBody | None = None
    limits: LimitsBody | None = None
    ttl_seconds: Ttl | None = None
    tool_approval: Annotated[bool, Field(description="tools may be called without asking")] = False
