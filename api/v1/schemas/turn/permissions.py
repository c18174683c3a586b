"""The rules about tool calls: how they are set, and what they say of a call."""

from typing import Annotated

from pydantic import Field

from api.v1.schemas.base import Body, Done, JsonMap, Name, Sequence, Shape
from api.v1.schemas.session.session_shape import SessionRules
from api.v1.schemas.session.sessions import RuleList
from domain.permissions.permission_rules import Because, Decision, Mode, PermissionRules, StepName

_Rules = Annotated[RuleList | None, Field(description="null is the same as none")]


class ReplacePermissionsBody(Body):
    """All rules: what is left out is empty afterwards, and the mode is `ask`."""

    mode: Mode = "ask"
    allow: _Rules = None
    ask: _Rules = None
    deny: _Rules = None

    def to_domain(self) -> PermissionRules:
        """Return the value it stands for."""
        return PermissionRules(
            mode=self.mode,
            allow=tuple(self.allow or ()),
            ask=tuple(self.ask or ()),
            deny=tuple(self.deny or ()),
        )


class EvaluateBody(Body):
    """A call that an agent might make."""

    tool: Name
    arguments: JsonMap = {}
    read_only: Annotated[bool, Field(description="the tool says that it changes nothing")] = False


class ToolApprovalBody(Body):
    """Whether tools may be called without asking, but for those that a rule denies."""

    enabled: bool


# ── answers ──────────────────────────────────────────────────────────────────────────────────


class SessionGrants(Shape):
    """What a session may use, by category; an empty list is nothing, not everything."""

    tools: list[str]
    skills: list[str]
    mcp_servers: list[str]
    workspace_paths: list[str]
    network_channels: list[str]
    sandbox_profiles: list[str]


RulesCeiling = Annotated[
    SessionRules | None,
    Field(description="what the rules of a spawned session, and of its forks, never exceed"),
]
HeldGrants = Annotated[SessionGrants, Field(description="what the session may use and hand on")]


class Permissions(Shape):
    """What decides about tool calls now."""

    permissions: SessionRules
    tool_approval: bool
    ceiling: RulesCeiling
    grants: HeldGrants
    sequence: Sequence


class PermissionsSet(Done):
    """What decides about tool calls from now on, in the running turn too."""

    permissions: SessionRules
    tool_approval: bool


class ConsideredStep(Shape):
    """One question that was asked about the call."""

    name: StepName
    matched: bool
    rule: Annotated[str | None, Field(description="the pattern that matched")]


class Judgement(Shape):
    """What would happen to the call, and why; nothing was recorded."""

    decision: Decision
    because: Because
    rule: str | None
    considered: Annotated[
        list[ConsideredStep], Field(description="in order, up to the step that decided")
    ]
    sequence: Sequence
