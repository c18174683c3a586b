"""The events that docker-agent v1.81 documents: what each must have, what it may have, and of which
type. A client in Go cannot read an event at all in which one value is of another type.

Beside them every event has its type, a time, and the agent where one is known. `request_id` is
ours: by it an answer finds its question.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from math import isfinite
from typing import Any

Check = Callable[[Any], list[str]]
Shape = Check | Mapping[str, Any]
"""Of an object: its fields; those that may be absent end with `?`."""


def text(value: Any) -> list[str]:
    return [] if isinstance(value, str) else [f"{value!r} is no text"]


def flag(value: Any) -> list[str]:
    return [] if isinstance(value, bool) else [f"{value!r} is no flag"]


def whole(value: Any) -> list[str]:
    is_one = isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63
    return [] if is_one else [f"{value!r} is no int64"]


def number(value: Any) -> list[str]:
    is_one = isinstance(value, int | float) and not isinstance(value, bool)
    return [] if is_one and isfinite(value) else [f"{value!r} is no float64"]


def anything(value: Any) -> list[str]:
    del value
    return []


def time(value: Any) -> list[str]:
    try:
        return [] if datetime.fromisoformat(value).tzinfo else [f"{value!r} has no zone"]
    except (TypeError, ValueError):
        return [f"{value!r} is no time"]


def any_object(value: Any) -> list[str]:
    return [] if isinstance(value, dict) else [f"{value!r} is no object"]


def one_of(*words: str) -> Check:
    return lambda value: [] if value in words else [f"{value!r} is none of {words}"]


def many(shape: Shape) -> Check:
    def check(value: Any) -> list[str]:
        if not isinstance(value, list):
            return [f"{value!r} is no array"]
        return [fault for one in value for fault in faults_in(one, shape)]

    return check


def faults_in(value: Any, shape: Shape, *, is_open: bool = False) -> list[str]:
    """Return what of a value has not the shape; `is_open` takes fields beside those of it."""
    if callable(shape):
        return shape(value)
    if not isinstance(value, dict):
        return [f"{value!r} is no object"]
    faults: list[str] = []
    for field, inner in shape.items():
        name = field.removesuffix("?")
        if name in value:
            faults += [f"{name}: {fault}" for fault in faults_in(value[name], inner)]
        elif name == field:
            faults.append(f"{name} is missing")
    known = {field.removesuffix("?") for field in shape}
    return faults + [f"{name} is unknown" for name in value if not is_open and name not in known]


CALL = {"id?": text, "type": text, "function": {"name?": text, "arguments?": text}}
TOOL = {"name": text}
PART = {
    "type": one_of("text", "image_url", "file", "document"),
    "text?": text,
    "image_url?": {"url": text, "detail": text},
    "file?": {"path": text, "file_id": text, "mime_type": text},
    "document?": any_object,
}
COUNTED = {"input_tokens": whole, "output_tokens": whole}
LAST = {
    **COUNTED, "cached_input_tokens": whole, "cached_write_tokens": whole,
    "reasoning_tokens?": whole, "Cost": number, "Model": text, "finish_reason?": text,
}  # fmt: skip
USAGE = {
    **COUNTED, "context_length": whole, "context_limit": whole, "cost": number,
    "last_message?": LAST,
}  # fmt: skip
RESULT = {
    "output": text, "isError?": flag, "meta?": anything, "images?": many(any_object),
    "audios?": many(any_object), "documents?": many(any_object), "structuredContent?": anything,
}  # fmt: skip
MESSAGE = {
    "role": one_of("system", "user", "assistant", "tool"), "content": text,
    "multi_content?": many(PART), "reasoning_content?": text, "thinking_signature?": text,
    "tool_calls?": many(CALL), "tool_call_id?": text, "is_error?": flag, "created_at": time,
    "thought_signature?": text, "function_call?": {"name?": text, "arguments?": text},
    "tool_definitions?": many(any_object), "model?": text, "cost?": number,
    "finish_reason?": text, "cache_control?": flag,
    "usage?": {"input_tokens?": whole, "output_tokens?": whole, "cached_input_tokens?": whole,
               "cached_write_tokens?": whole, "reasoning_tokens?": whole},
}  # fmt: skip
WRAPPED = {"id?": text, "agentName": text, "message": MESSAGE, "implicit?": flag}
OF_A_SESSION = {"session_id": text}
RAG = {"rag_name": text, "strategy_name": text}
MAYBE = {"session_id?": text}

DOCUMENTED: Mapping[str, Mapping[str, Any]] = {
    "stream_started": MAYBE,
    "stream_stopped": {
        **MAYBE,
        "reason": one_of("normal", "error", "canceled", "hook_blocked", "loop_detected"),
    },
    "user_message": {
        **OF_A_SESSION, "message": text, "session_position": whole, "multi_content?": many(PART),
    },
    "agent_choice": {**MAYBE, "content": text},
    "agent_choice_reasoning": {**MAYBE, "content": text},
    "message_added": OF_A_SESSION,
    "partial_tool_call": {"tool_call": CALL, "tool_definition?": TOOL},
    "tool_call": {"tool_call": CALL, "tool_definition": TOOL},
    "tool_call_confirmation": {"tool_call": CALL, "tool_definition": TOOL, "request_id?": text},
    "tool_call_output": {"tool_call_id": text, "tool_definition": TOOL, "output": text},
    "tool_call_response": {
        "tool_call_id": text, "tool_definition": TOOL, "response": text, "result?": RESULT,
    },
    "hook_blocked": {"tool_call": CALL, "tool_definition": TOOL, "message": text},
    "elicitation_request": {
        "message": text, "mode?": one_of("form", "url"), "schema?": anything, "url?": text,
        "elicitation_id?": text, "meta?": any_object,
    },
    "authorization_event": {"confirmation": text, "request_id?": text},
    "max_iterations_reached": {"max_iterations": whole},
    "token_usage": {**OF_A_SESSION, "usage": USAGE},
    "model_fallback": {
        "failed_model": text, "fallback_model": text, "reason": text, "attempt": whole,
        "max_attempts": whole,
    },
    "session_title": {**OF_A_SESSION, "title": text},
    "session_summary": {**OF_A_SESSION, "summary": text, "first_kept_entry?": whole},
    "session_compaction": {**OF_A_SESSION, "status": one_of("started", "completed")},
    "sub_session_completed": {"parent_session_id": text, "sub_session": any_object},
    "agent_info": {
        "agent_name": text, "model": text, "description": text, "welcome_message?": text,
    },
    "team_info": {
        "available_agents": many(
            {"name": text, "description": text, "provider": text, "model": text,
             "thinking?": text, "commands?": any_object}
        ),
        "current_agent": text,
    },
    "agent_switching": {"switching": flag, "from_agent?": text, "to_agent?": text},
    "toolset_info": {"available_tools": whole, "loading": flag},
    "error": {
        "error": text,
        "code?": one_of(
            "model_error", "rate_limited", "context_exceeded", "request_too_large",
            "media_too_large", "tool_failed", "hook_blocked", "loop_detected",
        ),
    },
    "warning": {"message": text},
    "shell": {"output": text},
    "hook_started": {**OF_A_SESSION, "hook_event": text},
    "hook_finished": {
        **OF_A_SESSION, "hook_event": text, "duration_ms": whole, "allowed": flag,
        "error?": text, "message?": text,
    },
    "mcp_init_started": {},
    "mcp_init_finished": {},
    "rag_indexing_started": RAG,
    "rag_indexing_progress": {**RAG, "current": whole, "total": whole},
    "rag_indexing_completed": RAG,
    "gap": {},
    "session_exited": {"reason?": text},
}  # fmt: skip
CONTROL = ("gap", "session_exited")
"""What a stream says of itself, with or without a time."""


def faults_of(event: Mapping[str, Any], *, is_reported: bool = False) -> list[str]:
    """Return what of an event is not as it is documented.

    Args:
        event: As a client reads it.
        is_reported: A driver has told it as it came from docker-agent, which may be a later one.
    """
    kind = event["type"]
    if kind not in DOCUMENTED:
        return [f"{kind} is not documented"]
    dated = "timestamp?" if kind in CONTROL else "timestamp"
    around = {"type": text, dated: time, "agent_name?": text}
    found = faults_in(event, {**around, **DOCUMENTED[kind]}, is_open=is_reported)
    return [f"{kind}: {fault}" for fault in found]
