"""What the routes of the docker-agent door answer, as JSON Schema."""

from collections.abc import Mapping
from typing import Any

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_FLAG: Schema = {"type": "boolean"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_NUMBER: Schema = {"type": "number", "minimum": 0}
_TIME: Schema = {"type": "string", "format": "date-time"}
_ID: Schema = {"type": "string", "format": "uuid"}


def _object(needed: Mapping[str, Any], more: Mapping[str, Any] | None = None) -> Schema:
    properties = {**needed, **(more or {})}
    return {"type": "object", "required": [*needed], "properties": properties}


def _array(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


EVENTS: Schema = {
    "type": "string",
    "description": "Server-sent events: an `id`, and an event of docker-agent as JSON in `data`.",
}
_DEPTH = _object({"depth": _COUNT, "capacity": _COUNT})
_PERMISSIONS = _object({}, {name: _array(_TEXT) for name in ("allow", "ask", "deny")})
_MESSAGES: Schema = {"type": ["array", "null"], "items": _ref("Message")}
_COUNTED: Schema = {"input_tokens": _COUNT, "output_tokens": _COUNT}
_SHOWN: Schema = {"id": _ID, "title": _TEXT, "messages": _MESSAGES, "created_at": _TIME}
_MORE: Schema = {"working_dir": _TEXT, "permissions": _PERMISSIONS}
_KEPT: Schema = {"tools_approved": _FLAG, **_COUNTED, "cost": _NUMBER, "starred": _FLAG}

SCHEMAS: Mapping[str, Schema] = {
    "Message": _object(
        {
            "agentName": _TEXT,
            "message": _object(
                {
                    "role": {"enum": ["system", "user", "assistant", "tool"]},
                    "content": _TEXT,
                    "created_at": _TIME,
                }
            ),
        },
        {"id": _TEXT, "implicit": _FLAG},
    ),
    "SessionRow": _object(
        {
            "id": _ID,
            "title": _TEXT,
            "created_at": _TIME,
            "num_messages": _COUNT,
            **_COUNTED,
            "cost": _NUMBER,
            "starred": _FLAG,
        },
        {"working_dir": _TEXT},
    ),
    "Session": _object({**_SHOWN, **_KEPT}, _MORE),
    "Snapshot": _object(
        {
            **_SHOWN,
            **_KEPT,
            "streaming": _FLAG,
            "last_event_seq": _COUNT,
            "pending": _array({"type": "object"}),
            "in_flight": _array({"type": "object"}),
        },
        {**_MORE, "agent": _TEXT},
    ),
    "Status": _object(
        {
            "id": _ID,
            "title": _TEXT,
            "streaming": _FLAG,
            **_COUNTED,
            "num_messages": _COUNT,
            "attached": _FLAG,
        },
        {"agent": _TEXT},
    ),
    "Queue": _object({"steer": _DEPTH, "followup": _DEPTH}),
    "Models": _object(
        {"agent": _TEXT, "models": _array(_object({"name": _TEXT, "ref": _TEXT}))},
        {"current_model_ref": _TEXT},
    ),
    "Agent": _object({"name": _TEXT, "description": _TEXT, "multi": _FLAG}),
    "Said": _object({"message": _TEXT}),
    "Done": _object({"status": _TEXT}),
    "Added": _object({"status": _TEXT, "id": _TEXT, "sequence": _COUNT}),
    "Queued": _object(
        {"status": {"enum": ["queued_streaming", "queued_idle", "duplicate"]}, "duplicate": _FLAG}
    ),
    "Titled": _object({"id": _ID, "title": _TEXT}),
    "Toggled": _object({"tools_approved": _FLAG}),
    "Deleted": _object(
        {"deleted_count": _COUNT, "failed_count": _COUNT}, {"failed_ids": _array(_TEXT)}
    ),
    "Exported": _object(
        {
            "export_format": _TEXT,
            "timestamp": _TIME,
            "sessions": _array(_ref("Session")),
            "session_count": _COUNT,
        },
        {"missing_ids": _array(_TEXT)},
    ),
    "Health": _object({"status": _TEXT, "version": _TEXT, "database": _TEXT}),
    "Ready": _object(
        {
            "ready": _FLAG,
            "active_sessions": _COUNT,
            "store_connected": _FLAG,
            "toolset_health": _TEXT,
            "status": _TEXT,
        },
        {"latest_error": _TEXT},
    ),
    "Tools": _object({"available_tools": _COUNT}),
}

_ONE = "/api/sessions/{session_id}"
ANSWERS: Mapping[str, tuple[str, Schema]] = {
    "GET /health": ("200", _ref("Health")),
    "GET /ready": ("200", _ref("Ready")),
    "GET /api/ping": ("200", _ref("Done")),
    "GET /api/ready": ("200", _ref("Done")),
    "GET /api/agents": ("200", _array(_ref("Agent"))),
    "GET /api/agents/{agent}": ("200", {"type": "object"}),
    "GET /api/agents/{agent}/{agent_name}/tools/count": ("200", _ref("Tools")),
    "GET /api/sessions": ("200", _array(_ref("SessionRow"))),
    "POST /api/sessions": ("200", _ref("Session")),
    f"GET {_ONE}": ("200", _ref("Session")),
    f"DELETE {_ONE}": ("200", _ref("Said")),
    f"GET {_ONE}/status": ("200", _ref("Status")),
    f"GET {_ONE}/snapshot": ("200", _ref("Snapshot")),
    f"GET {_ONE}/recovery": ("200", _ref("Session")),
    f"GET {_ONE}/events": ("200", EVENTS),
    f"GET {_ONE}/models": ("200", _ref("Models")),
    f"GET {_ONE}/queue": ("200", _ref("Queue")),
    f"POST {_ONE}/agent/{{agent}}": ("200", EVENTS),
    f"POST {_ONE}/agent/{{agent}}/{{agent_name}}": ("200", EVENTS),
    f"POST {_ONE}/steer": ("202", _ref("Done")),
    f"POST {_ONE}/followup": ("202", _ref("Queued")),
    f"POST {_ONE}/resume": ("200", _ref("Said")),
    f"POST {_ONE}/elicitation": ("200", {"type": "null"}),
    f"POST {_ONE}/tools/toggle": ("200", _ref("Toggled")),
    f"POST {_ONE}/messages": ("201", _ref("Added")),
    f"PATCH {_ONE}/messages/{{message_id}}": ("200", _ref("Done")),
    f"POST {_ONE}/summaries": ("201", _ref("Done")),
    f"PATCH {_ONE}/title": ("200", _ref("Titled")),
    f"PATCH {_ONE}/permissions": ("200", _ref("Said")),
    f"PATCH {_ONE}/tokens": ("200", _ref("Done")),
    f"PATCH {_ONE}/starred": ("200", _ref("Done")),
    "POST /api/sessions/batch/delete": ("200", _ref("Deleted")),
    "POST /api/sessions/batch/export": ("200", _ref("Exported")),
    "POST /api/mcp-oauth/callback": ("200", {"type": "null"}),
}
"""By method and path: the status of what went well, and what is said then."""
