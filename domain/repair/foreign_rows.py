"""Rows of another system, as AGH writes them: a type, a turn and a payload beside each other."""

from collections.abc import Mapping
from typing import Any

from domain.repair.report import Action, PlannedEvent
from domain.repair.rows import (
    INTERRUPTED,
    Role,
    Row,
    Standing,
    Unreadable,
    decoded,
    failure_of,
    is_moment,
    object_of,
    place_of,
    text_of,
)

_ROLES: Mapping[str, Role] = {
    "user_message": "input",
    "synthetic_reentry": "input",
    "agent_message": "data",
    "thought": "data",
    "plan": "data",
    "runtime_progress": "data",
    "runtime_warning": "data",
    "permission": "data",
    "system": "data",
    "tool_call": "call",
    "tool_result": "result",
    "done": "terminal",
    "error": "terminal",
    "session_stopped": "outside",
}
_TEXTS = ("type", "turn_id", "text", "title", "tool_name", "tool_call_id", "error", "stop_reason")


class ForeignRows:
    """Reads rows of another system.

    Args:
        session: What it says about the session: `id`, `state`, `stop_reason`, `failure`.
    """

    quiet_gates = False

    def __init__(self, session: Mapping[str, Any]) -> None:
        self.standing = Standing(
            text_of(session.get("id")) or "",
            text_of(session.get("state")) or "",
            text_of(session.get("stop_reason")) or "",
            failure_of(session.get("failure")),
        )

    def row(self, value: Mapping[str, Any]) -> Row:
        """Return a row.

        Args:
            value: `id`, `seq`, `turn_id`, `type` and `payload`; or in `payload_raw` its text.
        """
        sequence, event_id = place_of(value.get("seq")), text_of(value.get("id"))
        turn_id, type_ = text_of(value.get("turn_id")), text_of(value.get("type"))
        try:
            if sequence is None:
                raise Unreadable("its seq is no whole number that a log can have")
            payload = _payload(value)
        except Unreadable as error:
            return Row(sequence, event_id, turn_id, problems=[("invalid_event_json", str(error))])
        problems: list[tuple[str, str]] = []
        named = text_of(payload.get("type"))
        turn_id = turn_id or text_of(payload.get("turn_id"))
        if type_ and named and type_ != named:
            problems.append(("event_type_mismatch", f"the row says {type_}, the payload {named}"))
        role = _ROLES.get(type_ or named or "", "passive")
        call = tool = ""
        if role in ("call", "result"):
            call = text_of(payload.get("tool_call_id")) or ""
            tool = text_of(payload.get("title")) or text_of(payload.get("tool_name")) or ""
        return Row(sequence, event_id, turn_id, role, call, tool, problems)

    def planned(self, action: Action, standing: Standing) -> PlannedEvent:
        """Return the row that an action stands for."""
        if action.code == "append_interrupted_tool_result":
            return PlannedEvent(
                "tool_result",
                action.turn_id,
                {
                    "tool_call_id": action.tool_call_id,
                    "title": action.tool_name or "interrupted tool result",
                    "tool_error": True,
                    "error": INTERRUPTED,
                },
            )
        failure = standing.failure and {
            "kind": standing.failure.kind,
            "summary": standing.failure.summary or "",
            "crash_bundle_path": standing.failure.bundle or "",
        }
        return PlannedEvent(
            "error",
            action.turn_id,
            {
                "error": INTERRUPTED,
                "stop_reason": standing.stop_reason or None,
                "failure": failure or None,
            },
        )


def _payload(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a payload; that of a blank one, or of null, is empty.

    Raises:
        Unreadable: It is not the object that every payload is.
    """
    payload: Any = value.get("payload")
    raw = value.get("payload_raw")
    if raw is not None:
        if not isinstance(raw, str | bytes):
            raise Unreadable("its payload_raw is no text")
        payload = decoded(raw) if raw.strip() else None
    if payload is None:
        return {}
    told = object_of(payload)
    if told is None:
        raise Unreadable("its payload is no object")
    for name in _TEXTS:
        if not isinstance(told.get(name) or "", str):
            raise Unreadable(f"its {name} is no text")
    if told.get("timestamp") is not None and not is_moment(told["timestamp"]):
        raise Unreadable("its timestamp is no time")
    return told
