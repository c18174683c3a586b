"""The bodies of commands."""

from typing import Annotated, Literal

from pydantic import Field

from api.schemas.activity import ActivityBody, AgentData, UsageData
from api.schemas.base import Body, JsonMap, Name, SessionId, StateMap, Title
from api.schemas.parts import Parts
from domain.values import MAX_SUMMARY, MAX_TAGS, Usage

Tags = Annotated[list[Name], Field(max_length=MAX_TAGS, json_schema_extra={"uniqueItems": True})]
Detail = Annotated[str, Field(max_length=MAX_SUMMARY)]


class NewMessage(Body):
    """A message."""

    role: Literal["user", "agent", "system"]
    parts: Parts
    id: Name | None = None
    author: Name | None = None


class CreateSessionBody(Body):
    """What a session begins with; a client's own id makes the request safe to repeat."""

    id: SessionId | None = None
    app: Name
    user: Name
    workspace: Name | None = None
    team: Name | None = None
    scope: Name | None = None
    tags: Tags = []
    title: Title | None = None
    agent: AgentData | None = None
    state: StateMap = {}
    messages: Annotated[list[NewMessage], Field(max_length=200)] = []
    metadata: JsonMap = {}


class DescribeSessionBody(Body):
    """What to change; fields that are left out stay as they are, a null title takes it away."""

    title: Title | None = None
    starred: bool = False
    tags: Tags = []


class AddMessageBody(NewMessage):
    """A message for the transcript."""

    implicit: bool = False


class ReviseMessageBody(Body):
    """What the message says from now on."""

    parts: Parts


class TurnInput(Body):
    """What the agent is given."""

    parts: Parts
    message_id: Name | None = None


class StartTurnBody(Body):
    """The input of a turn; `mode` says what to do when another turn runs."""

    input: TurnInput
    source: Literal["user", "network", "synthetic", "followup"] = "user"
    turn_id: Name | None = None


class RecordActivityBody(Body):
    """What the agent did, in order; all of it is recorded or none.

    With `partial` it goes to those who follow the session now, and is not recorded.
    """

    events: Annotated[list[ActivityBody], Field(min_length=1, max_length=1000)]
    partial: bool = False


class CompleteTurnBody(Body):
    """How the turn ended."""

    stop_reason: Name = "end_turn"
    usage: UsageData | None = None

    def usage_to_domain(self) -> Usage | None:
        """Return the value it stands for."""
        return Usage(**dict(self.usage)) if self.usage else None


class FailTurnBody(Body):
    """What broke."""

    kind: Name = "unknown_failure"
    summary: Detail | None = None


class CancelTurnBody(Body):
    """Why the turn is cancelled."""

    reason: Name = "user_requested"


class FailureBody(Body):
    """Why the session failed."""

    kind: Name
    summary: Detail | None = None


class StopSessionBody(Body):
    """Why the session stops."""

    cause: Literal[
        "completed",
        "failed",
        "user_requested",
        "shutdown",
        "hook_denied",
        "process_exited",
        "timeout",
        "clear_conversation",
    ] = "user_requested"
    detail: Detail | None = None
    failure: FailureBody | None = None


class EmptyBody(Body):
    """Nothing to say."""


class OptionBody(Body):
    """One answer on offer."""

    option_id: Name
    name: Name
    kind: Name


class RequestPermissionBody(Body):
    """What the agent asks."""

    request_id: Name | None = None
    turn_id: Name
    options: Annotated[list[OptionBody], Field(min_length=1, max_length=20)]
    tool_call_id: Name | None = None
    title: Title | None = None
    meta: JsonMap | None = None


class DecideBody(Body):
    """Which option was chosen."""

    option_id: Name


class PatchStateBody(Body):
    """Keys to set, a null being a value like any other, and keys to delete."""

    set: StateMap = {}
    delete: Annotated[list[Name], Field(max_length=10_000)] = []
