"""The events that docker-agent v1.81 documents: what each must have, and what it may have.

Beside them every event has its type, and most of them a time and the agent. `request_id` is ours:
by it an answer finds its question.
"""

from collections.abc import Mapping
from typing import Any

Fields = tuple[str, ...]

DOCUMENTED: Mapping[str, tuple[Fields, Fields]] = {
    "stream_started": ((), ("session_id",)),
    "stream_stopped": ((), ("session_id", "reason")),
    "user_message": (("message", "session_id", "session_position"), ("multi_content",)),
    "agent_choice": (("content",), ("session_id",)),
    "agent_choice_reasoning": (("content",), ("session_id",)),
    "message_added": (("session_id",), ()),
    "partial_tool_call": (("tool_call",), ("tool_definition",)),
    "tool_call": (("tool_call", "tool_definition"), ()),
    "tool_call_confirmation": (("tool_call", "tool_definition"), ("request_id",)),
    "tool_call_output": (("tool_call_id", "tool_definition", "output"), ()),
    "tool_call_response": (("tool_call_id", "tool_definition", "response"), ("result",)),
    "hook_blocked": (("tool_call", "tool_definition", "message"), ()),
    "elicitation_request": (("message",), ("mode", "schema", "url", "elicitation_id", "meta")),
    "authorization_event": (("confirmation",), ("request_id",)),
    "max_iterations_reached": (("max_iterations",), ()),
    "token_usage": (("session_id", "usage"), ()),
    "model_fallback": (
        ("failed_model", "fallback_model", "reason", "attempt", "max_attempts"),
        (),
    ),
    "session_title": (("session_id", "title"), ()),
    "session_summary": (("session_id", "summary"), ("first_kept_entry",)),
    "session_compaction": (("session_id", "status"), ()),
    "sub_session_completed": (("parent_session_id", "sub_session"), ()),
    "agent_info": (("agent_name", "model", "description"), ("welcome_message",)),
    "team_info": (("available_agents", "current_agent"), ()),
    "agent_switching": (("switching",), ("from_agent", "to_agent")),
    "toolset_info": (("available_tools", "loading"), ()),
    "error": (("error",), ("code",)),
    "warning": (("message",), ()),
    "shell": (("output",), ()),
    "hook_started": (("session_id", "hook_event"), ()),
    "hook_finished": (
        ("session_id", "hook_event", "duration_ms", "allowed"),
        ("error", "message"),
    ),
    "mcp_init_started": ((), ()),
    "mcp_init_finished": ((), ()),
    "rag_indexing_started": (("rag_name", "strategy_name"), ()),
    "rag_indexing_progress": (("rag_name", "strategy_name", "current", "total"), ()),
    "rag_indexing_completed": (("rag_name", "strategy_name"), ()),
    "gap": ((), ()),
    "session_exited": ((), ("reason",)),
}
STOP_REASONS = {"normal", "error", "canceled", "hook_blocked", "loop_detected"}


def faults_of(event: Mapping[str, Any]) -> list[str]:
    """Return what of an event is not as it is documented."""
    kind = event["type"]
    if kind not in DOCUMENTED:
        return [f"{kind} is not documented"]
    needed, more = DOCUMENTED[kind]
    known = {"type", "timestamp", "agent_name", *needed, *more}
    missing = [f"{kind} has no {name}" for name in needed if name not in event]
    unknown = [f"{kind} has {name}" for name in event if name not in known]
    if kind == "stream_stopped" and event.get("reason") not in STOP_REASONS:
        unknown.append(f"{kind} for {event.get('reason')}")
    return missing + unknown
