"""Names for the choices in a document, so that code generators need not number them."""

from typing import Any, cast

Json = dict[str, Any]

_SHARED = {
    "InputSource": "user network synthetic followup",
    "SessionState": "starting idle running waiting stopping stopped deleted erased",
    "StopCause": "completed failed user_requested shutdown hook_denied process_exited timeout"
    " clear_conversation",
    "HealthBadge": "idle running waiting-for-auth hung unhealthy stopped failed unknown",
    "StopReason": "completed user_canceled max_iterations loop_detected timeout budget_exceeded"
    " error agent_crashed hook_stopped shutdown",
    "MessageRole": "user agent system",
    "ProcessHealth": "healthy unhealthy unknown",
    "PermissionMode": "ask approve-reads approve-all deny-all",
    "GrantScope": "once session tool",
    "SandboxOutcome": "started completed failed",
    "ToolStatus": "completed failed cancelled abandoned",
    "TurnOutcome": "completed failed cancelled",
    "WaitingPlace": "queued staged",
    "UsageMode": "set add",
    "PresenceState": "idle prompting stopped detached",
    "Liveness": "healthy degraded stale dead unknown",
    "IneligibilityReason": "session_prompt_active session_not_attachable session_unhealthy"
    " session_health_stale session_health_hung session_health_dead session_health_unknown",
    "ReasoningEffort": "minimal low medium high xhigh",
    "InputFate": "dispatched steered cancelled",
}
_NAMES: dict[frozenset[str | None], str] = {
    frozenset(words.split()): name for name, words in _SHARED.items()
}


def name_enums(schemas: Json) -> None:
    """Make a component of every choice of at least two words, in place.

    A choice that is shared has a name of its own; another is named by where it stands.

    Args:
        schemas: The components of a document.
    """
    named: dict[str, list[str | None]] = {}
    for owner, schema in schemas.items():
        for field, inner in schema.get("properties", {}).items():
            _name(inner, owner + _pascal(field), named)
    for name, words in named.items():
        if name in schemas:
            raise ValueError(f"{name} is a model and a choice: give the choice a name of its own")
        schemas[name] = {"type": "string", "enum": words}


def _name(schema: Json, name: str, named: dict[str, list[str | None]]) -> None:
    words = cast("list[str | None]", schema.get("enum", []))
    if None in words and "anyOf" in schema:
        # What may also be null says so beside the choice, not in it.
        del schema["enum"]
        schema["anyOf"][0]["enum"] = words = [word for word in words if word is not None]
    elif len(words) > 1:
        name = _NAMES.get(frozenset(words), name)
        named.setdefault(name, words)
        for gone in ("enum", "type", "anyOf", "minLength", "maxLength", "pattern"):
            schema.pop(gone, None)
        schema["$ref"] = f"#/components/schemas/{name}"
    for several in ("anyOf", "oneOf"):
        for one in schema.get(several, []):
            _name(one, name, named)
    if "items" in schema:
        _name(schema["items"], name, named)


def _pascal(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))
