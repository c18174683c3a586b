"""What drivers report in the words of docker-agent: told as it came, if a client can read it.

Clients are written in Go: an event with one value of another type is none that they can read.
"""

from collections.abc import Mapping
from typing import Any, Literal, NotRequired, cast

from pydantic import BaseModel, ConfigDict, ValidationError, create_model, with_config
from typing_extensions import TypedDict

from api.docker_agent.shapes.wire import Integer

_OPEN = ConfigDict(extra="allow", strict=True, defer_build=True)
_MAYBE = "?"


@with_config(_OPEN)
class _Function(TypedDict):
    """What a tool is called with."""

    name: NotRequired[str]
    arguments: NotRequired[str]


@with_config(_OPEN)
class _Call(TypedDict):
    """A call of a tool."""

    id: NotRequired[str]
    type: str
    function: _Function


@with_config(_OPEN)
class _Tool(TypedDict):
    """A tool."""

    name: str


@with_config(_OPEN)
class _AgentOfTeam(TypedDict):
    """An agent of a team."""

    name: str
    description: str
    provider: str
    model: str
    thinking: NotRequired[str]
    commands: NotRequired[dict[str, Any]]


_Fields = Mapping[str, Any]
_IN_SESSION: _Fields = {"session_id": str}
_INDEXING: _Fields = {"rag_name": str, "strategy_name": str}
_FIELDS: Mapping[str, _Fields] = {
    "agent_info": {"agent_name": str, "model": str, "description": str, "welcome_message?": str},
    "agent_switching": {"switching": bool, "from_agent?": str, "to_agent?": str},
    "authorization_event": {"confirmation": str},
    "hook_blocked": {"tool_call": _Call, "tool_definition": _Tool, "message": str},
    "hook_finished": {
        **_IN_SESSION,
        "hook_event": str,
        "duration_ms": Integer,
        "allowed": bool,
        "error?": str,
        "message?": str,
    },
    "hook_started": {**_IN_SESSION, "hook_event": str},
    "max_iterations_reached": {"max_iterations": Integer},
    "mcp_init_finished": {},
    "mcp_init_started": {},
    "model_fallback": {
        "failed_model": str,
        "fallback_model": str,
        "reason": str,
        "attempt": Integer,
        "max_attempts": Integer,
    },
    "partial_tool_call": {"tool_call": _Call, "tool_definition?": _Tool},
    "rag_indexing_completed": _INDEXING,
    "rag_indexing_progress": {**_INDEXING, "current": Integer, "total": Integer},
    "rag_indexing_started": _INDEXING,
    "session_compaction": {**_IN_SESSION, "status": Literal["started", "completed"]},
    "shell": {"output": str},
    "sub_session_completed": {"parent_session_id": str, "sub_session": dict[str, Any]},
    "team_info": {"available_agents": list[_AgentOfTeam], "current_agent": str},
    "toolset_info": {"available_tools": Integer, "loading": bool},
    "warning": {"message": str},
}
"""By the type of an event: its fields; those that may be absent end with `?`."""

REPORTED = frozenset(_FIELDS)
"""What a driver may report: all that does not say what the log itself must say."""


def reported_word(value: Any) -> dict[str, Any] | None:
    """Return an event that a driver has reported; None where no client could read it.

    Args:
        value: As the driver wrote it.
    """
    if not isinstance(value, dict):
        return None
    word = dict(cast("dict[str, Any]", value))
    # When it was recorded is when it happened in this log.
    word.pop("timestamp", None)
    kind = word.get("type")
    if not isinstance(kind, str) or kind not in _SHAPES:
        return None
    try:
        _SHAPES[kind].model_validate(word)
    except ValidationError:
        return None
    return word


def _shape_of(kind: str, own: _Fields) -> type[BaseModel]:
    fields = {"agent_name?": str, **own}
    named: dict[str, Any] = {
        name.removesuffix(_MAYBE): (shape | None, None) if name.endswith(_MAYBE) else (shape, ...)
        for name, shape in fields.items()
    }
    return create_model(kind, __config__=_OPEN, **named)


_SHAPES = {kind: _shape_of(kind, own) for kind, own in _FIELDS.items()}
