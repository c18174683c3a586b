"""What fields are, where their model does not say so: words that mean the same in all places."""

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

Json = dict[str, Any]

_EVERYWHERE: Mapping[str, str] = {
    "activation": "how many times the session was up: 1 at first, one more with each resume",
    "agent": "who answers",
    "allow": "what is allowed",
    "app": "the app that the session belongs to",
    "arguments": "of the call, as the tool gets them",
    "ask": "patterns of calls that a person is asked about",
    "at": "when it was recorded, in UTC",
    "author": "who said it, a name",
    "auto_stop": "it ends when its parent does",
    "badge": "one word for how the session is",
    "bundle": "where the runtime has put more of it, such as a path",
    "cached_tokens": "of the input tokens, those read from a cache",
    "capabilities": "what it can do, as it says itself",
    "causation": "why it was done: an id that the client gave",
    "channel": "where it can be reached",
    "child_id": "the session that was spawned",
    "consecutive_tool_calls": "the most calls of tools one after the other",
    "content": "as it came",
    "cost": "in the currency that the client counts in",
    "created_at": "when it was made, in UTC",
    "currency": "of the cost, such as USD",
    "delete": "the keys to take away",
    "deny": "patterns of calls that are refused",
    "display_name": "for people",
    "epoch": "how often the conversation was cleared or rewound",
    "expected_turn_id": "the turn that must be running; else 409 `turn_changed`",
    "expires_at": "when it ends by itself, in UTC; null is never",
    "external_id": "what its maker calls the session; unique within the app",
    "failure": "what went wrong",
    "first_kept": "the id of the first entry that is still sent beside the summary",
    "forked_from": "the session and the event that it began with",
    "generation": "raised by each interrupt; input from before it does not run",
    "grants": "what it may use, and hand on to children",
    "holder": "who drives the session",
    "idempotency_key": "that the client sent with the command",
    "input_bytes": "the largest input that waits, in bytes",
    "input_id": "the id of the input",
    "input_tokens": "tokens that the model read",
    "is_default": "it is what answers when nobody chose",
    "iterations": "the most rounds of the model in a turn",
    "lease_id": "of the lease that the holder has",
    "legal_hold": "why it may not be erased; null when it may",
    "limits": "how much it may have; what is left out is as the server has it",
    "lineage": "its parent, and what it may do for it",
    "live_children": "how many of its children have not ended",
    "mcp_servers": "names of MCP servers",
    "message_id": "the id of the message",
    "meta": "whatever the client wants to keep with it",
    "metadata": "whatever the client wants to keep with the session; lists filter by its top",
    "model": "the name of the model",
    "models": "that can be chosen",
    "network_channels": "names of channels",
    "next_cursor": "for the page after this one; null at the end",
    "num_messages": "messages of the transcript",
    "option_id": "the option that is meant",
    "output": "what the tool returned",
    "output_tokens": "tokens that the model wrote",
    "parent_id": "the session that spawned it",
    "parts": "of what is said, in order",
    "peer_id": "of the agent that can be reached",
    "permissions": "the rules about calls of tools",
    "profile": "the persona that the agent runs with",
    "provider": "of the model",
    "queued_inputs": "the most inputs that wait at once",
    "reasoning_effort": "how long the model thinks",
    "reasoning_tokens": "of the output tokens, those of its reasoning",
    "reporter": "who says so",
    "request_id": "the id of the request for a permission or for content",
    "sandbox_id": "of the place where tools run",
    "sandbox_profiles": "names of profiles",
    "session_id": "the session that it is about",
    "session_ids": "the sessions that are meant",
    "skills": "names of skills",
    "starred": "somebody wants to find it again",
    "stop": "why and when it stopped; null while it has not",
    "summary": "in short",
    "summary_id": "the id of the summary",
    "tags": "words that lists filter by",
    "team": "a word that lists filter by",
    "timeout_seconds": "after so long without an answer it is decided as `timeout`",
    "title": "for people",
    "tool": "the name of the tool",
    "tool_approval": "tools may be called without asking",
    "tool_call_id": "the id of the call, as the model gave it",
    "tools": "names of tools",
    "total_tokens": "input and output together, where the provider says so",
    "ttl_seconds": "it ends by itself after so long",
    "turn_id": "the id of the turn",
    "turn_seconds": "the longest that a turn may run",
    "turns": "how many were started",
    "updated_at": "when the newest event was recorded, in UTC",
    "usage": "tokens and cost",
    "user": "the user of that app that it belongs to",
    "workspace": "a word that lists filter by; children have that of their parent",
    "workspace_paths": "paths that may be used",
}

_LIMITS: Mapping[str, str] = {
    "children": "the most children that live at once",
    "depth": "the most generations below it",
}
_OF_ONE: Mapping[str, Mapping[str, str]] = {
    "AddMessageBody": {"id": "the id of the message; one is made if absent"},
    "AddSummaryBody": {
        "text": "what was said so far, in short",
        "tokens": "how many tokens the text has",
        "summary_id": "a name of your own for it; one is made if absent",
    },
    "AgentBody": {"name": "of the agent that answers"},
    "AnswerBody": {"content": "what was asked for, by the names of the schema"},
    "AskPermissionBody": {"options": "what a person may choose"},
    "ChangeWebhookBody": {
        "url": "where deliveries go",
        "description": "for people",
        "secret": "what deliveries are signed with; null makes a new one",
    },
    "CreateSessionBody": {
        "id": "a UUID; with one of your own the request is safe to repeat",
        "scope": "a word that lists filter by",
        "state": "the keys that it begins with; `app:` and `user:` keys are shared",
        "messages": "what was said before, such as a system prompt",
    },
    "CreateTokenBody": {
        "name": "the actor of what is done with it",
        "allow": "the rights that it has",
        "app": "the only app that it sees; null is all",
        "user": "the only user that it sees; null is all",
    },
    "CreateTicketBody": {"session_id": "the session whose events it opens"},
    "CreateWebhookBody": {
        "url": "where deliveries go",
        "description": "for people",
        "secret": "what deliveries are signed with; one is made if absent",
        "app": "only events of this app",
        "user": "only events of this user",
    },
    "DecideBody": {"reason": "why, for people"},
    "ElicitFormBody": {"message": "what the person is asked"},
    "ElicitVisitBody": {"message": "what the person is asked", "url": "where it is to be done"},
    "ExportBody": {
        "app": "only sessions of this app",
        "user": "only sessions of this user",
        "workspace": "only sessions of this workspace",
        "agent": "only sessions of this agent",
        "status": "only sessions with one of these",
        "tag": "only sessions with this one",
    },
    "FailTurnBody": {"summary": "what went wrong, in a sentence"},
    "ForkBody": {"id": "a UUID of your own, which makes the request safe to repeat"},
    "InputBody": {
        "id": "the id of the input, and of its turn; one is made if absent",
        "message_id": "the id of the message that it becomes; one is made if absent",
    },
    "LimitsBody": _LIMITS,
    "EffectiveLimits": _LIMITS,
    "SessionLimits": _LIMITS,
    "OptionBody": {"name": "what the person reads"},
    "PatchAppStateBody": {"set": "values by keys, each of which begins with `app:`"},
    "PatchStateBody": {"set": "values by keys; null is a value like any other"},
    "PatchUserStateBody": {"set": "values by keys, each of which begins with `user:`"},
    "PeerLeftBody": {"reason": "why it cannot be reached any more"},
    "Problem": {
        "title": "the code in words",
        "request_id": "of the HTTP request, as in the log of the server",
    },
    "ProfileBody": {"name": "of the persona", "profile": "whatever else belongs to it"},
    "ProveErasureBody": {"log_ids": "the logs whose erasure is to be proven"},
    "QueueInputsBody": {"inputs": "in the order in which they run"},
    "RecordActivityBody": {"events": "what happened, in order"},
    "ReplayBody": {"upto": "the last position that is sent again"},
    "RewindBody": {"to": "the sequence of the event that it goes back to"},
    "RulesBody": {"allow": "patterns of calls that need no asking"},
    "RuntimeBody": {"name": "of the program that runs the agent", "version": "of that program"},
    "SandboxBody": {"duration_ms": "how long it took, in milliseconds"},
    "SpawnBody": {"id": "a UUID of your own, which makes the request safe to repeat"},
    "StartTurnBody": {
        "turn_id": "a name of your own for the turn; one is made if absent",
        "mode": "what to do when another turn runs",
        "model": "the model that answers in this turn alone",
    },
    "StopSessionBody": {"detail": "more about the cause, for people"},
    "ToolApprovalBody": {"enabled": "tools may be called without asking"},
}

_OF_RECORDS = {"id": "of the event"}

_OF_PATHS: Mapping[str, str] = {
    "session_id": "the id of the session, or `ext:` and its external id",
    "message_id": "the id of an entry of the transcript",
    "turn_id": "the id of the turn",
    "input_id": "the id of the input",
    "request_id": "the id of the request for a permission or for content",
    "webhook_id": "the id of the webhook",
    "token_id": "the id of the token, which is not the token itself",
    "app": "the app",
    "user": "the user of that app",
    "agent": "the agent that answers",
    "key": "the key, with its prefix",
    "peer_id": "the id of the peer",
    "blob": "`sha256:` and the SHA-256 of the bytes in hex",
    "number": "of the dead letter",
    "asset": "the file",
    "level": "of the tree, 0 at its leaves",
    "tile": "its number in groups of three digits, as C2SP tlog-tiles write it",
}


@cache
def _told() -> Mapping[str, Mapping[str, str]]:
    with (Path(__file__).parent / "fields.toml").open("rb") as file:
        return tomllib.load(file)


def describe_fields(schemas: Json) -> None:
    """Say in place what the fields of some schemas are, where that is not said yet.

    Args:
        schemas: By name. A field that refers to another schema, and is not named here, is what that
            schema says of itself; one that has one value only says so.
    """
    for name, schema in schemas.items():
        own = {
            **(_OF_RECORDS if name.endswith("Record") else _OF_ONE.get(name, {})),
            **_told().get(name, {}),
        }
        for field, shape in _undescribed(schema):
            said = own.get(field) or _by_shape(shape, schemas) or _EVERYWHERE.get(field)
            said = said or _told()["*"].get(field)
            if said is not None:
                shape["description"] = said


def named_fields() -> Iterator[tuple[str, str]]:
    """Yield the schemas and the fields that are described by their own name."""
    for name, fields in {**_OF_ONE, **_told()}.items():
        if name != "*":
            for field in fields:
                yield name, field


def _undescribed(schema: Json) -> Iterator[tuple[str, Json]]:
    for field, shape in schema.get("properties", {}).items():
        choices = [shape, *shape.get("anyOf", []), *shape.get("oneOf", [])]
        if not any("description" in one for one in choices):
            yield field, shape


def _by_shape(shape: Json, schemas: Json) -> str | None:
    if "const" in shape:
        return f"always `{shape['const']}`"
    choices = [one for one in shape.get("anyOf", [shape]) if one.get("type") != "null"]
    if len(choices) != 1 or "$ref" not in choices[0]:
        return None
    said: str = schemas[choices[0]["$ref"].rpartition("/")[2]].get("description", "")
    sentence = said.partition(". ")[0].rstrip(".")
    return f"{sentence[:1].lower()}{sentence[1:]}" or None


def description_of_path(name: str) -> Json:
    """Return the `description` of a parameter of paths.

    Args:
        name: Of the parameter.
    """
    return {"description": _OF_PATHS[name]}
