"""A transcript as the messages of docker-agent: an answer has its reasoning and its tool calls."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from api.docker_agent.requests import Refusal
from api.docker_agent.shapes.parts import content_of, parts_of, text_in
from api.docker_agent.shapes.wire import ChatMessage, ToolCall, kept_fields
from api.http.outgoing.responses import from_json, to_json
from domain.values import MAX_NAME, Part, Role

_ROLES = {"user": "user", "agent": "assistant", "system": "system", "tool": "tool"}
_OURS: dict[str, Role] = {"user": "user", "assistant": "agent", "system": "system", "tool": "tool"}
KEPT = "docker-agent.message"
"""Where the `meta` of a message has the fields of docker-agent that ours has no place for."""

Entry = dict[str, Any]


def arguments_of(value: Any) -> str:
    """Return what a tool is called with as JSON in a string, as providers of models write it."""
    if isinstance(value, str):
        return value
    return "{}" if value is None else to_json(value).decode()


def call_document(call_id: str, name: str, value: Any) -> dict[str, Any]:
    """Return a call of a tool.

    Args:
        call_id: Its id.
        name: Of the tool.
        value: What it is called with.
    """
    function = {"name": name, "arguments": arguments_of(value)}
    return {"id": call_id, "type": "function", "function": function}


def output_text(value: Any) -> str:
    """Return what a tool answered, as text."""
    if value is None:
        return ""
    if isinstance(value, list):
        parts = cast("list[Any]", value)  # type: ignore[redundant-cast]
        if all(_is_text(one) for one in parts):
            return "".join(str(one["text"]) for one in parts)
    return value if isinstance(value, str) else to_json(value).decode()


def _is_text(value: Any) -> bool:
    return isinstance(value, dict) and cast("dict[str, Any]", value).get("type") == "text"


def role_of(message: ChatMessage) -> Role:
    """Return who speaks, in our words; a user where that is not said.

    Args:
        message: As it came.

    Raises:
        Refusal: 400, there is nobody of that role.
    """
    role = _OURS.get(message.role or "user")
    if role is None:
        raise Refusal(400, "role must be system, user, assistant or tool")
    return role


def said_parts(message: ChatMessage) -> tuple[Part, ...]:
    """Return all that a message says: its reasoning, its text, its calls, or a result.

    Args:
        message: As it came.

    Raises:
        Refusal: 400, it has a call without an id or a name, or a result without its call.
    """
    named = [message.tool_call_id] if message.role == "tool" else []
    named += [name for one in message.tool_calls for name in (one.id, one.function.name)]
    if not all(0 < len(name) <= MAX_NAME for name in named):
        raise Refusal(400, f"a call has an id and a name of 1 to {MAX_NAME} characters")
    if message.role == "tool":
        result = {
            "type": "tool_result",
            "tool_call_id": message.tool_call_id,
            "output": message.content,
        }
        return ({**result, "is_error": True} if message.is_error else result,)
    said: list[Part] = []
    if message.reasoning_content or message.thinking_signature:
        thought = {"type": "reasoning", "text": message.reasoning_content}
        signed = {"signature": message.thinking_signature} if message.thinking_signature else {}
        said.append({**thought, **signed})
    if message.content or message.multi_content or not (said or message.tool_calls):
        said += parts_of(message)
    return (*said, *(_call_part(one) for one in message.tool_calls))


def _call_part(call: ToolCall) -> Part:
    try:
        value: Any = from_json(call.function.arguments.encode())
    except ValueError:
        value = call.function.arguments
    return {
        "type": "tool_call",
        "tool_call_id": call.id,
        "name": call.function.name,
        "input": value,
    }


def messages_of(session: str, entries: Iterable[bytes]) -> list[dict[str, Any]]:
    """Return the messages of a transcript: `{"id", "agentName", "message"}`, in their order.

    Args:
        session: The id of the session.
        entries: Its JSON. What nobody said, such as a turn that broke, is left out.
    """
    folding = _Folding(session)
    for raw in entries:
        folding.take(from_json(raw))
    folding.close()
    return folding.messages


class _Folding:
    """Puts the thoughts, the words and the calls of an agent together, as one answer."""

    def __init__(self, session: str) -> None:
        self._session = session
        self.messages: list[dict[str, Any]] = []
        self._answer: dict[str, Any] | None = None
        self._turn: str | None = None
        self._results: list[dict[str, Any]] = []

    def take(self, entry: Entry) -> None:
        """Take in the next entry."""
        kind = entry["kind"]
        if kind == "tool_call":
            self._called(entry)
        elif kind == "thought":
            self._thought(entry)
        elif kind == "message" and entry["role"] == "agent":
            self._said(entry)
        elif kind == "message":
            self.close()
            self.messages += self._plain(entry)

    def close(self) -> None:
        """Say that the answer is whole."""
        if self._answer is not None:
            self.messages.append(self._answer)
            self.messages += self._results
        self._answer, self._results = None, []

    @property
    def _has_spoken(self) -> bool:
        """Whether the answer has come so far that what follows belongs to another one."""
        if self._answer is None:
            return False
        message: dict[str, Any] = self._answer["message"]
        return bool(message.get("content") or message.get("tool_calls"))

    def _open(self, entry: Entry, *, anew: bool = False) -> dict[str, Any]:
        """Return the message that an entry of the agent goes into, a new one if need be."""
        if anew or self._answer is None or self._turn != entry.get("turn_id"):
            self.close()
            self._turn = entry.get("turn_id")
            self._answer = _wrapped(entry, {"role": "assistant", "content": ""})
            if entry["kind"] == "tool_call":
                # The id of a call is that of its result.
                del self._answer["id"]
        message: dict[str, Any] = self._answer["message"]
        return message

    def _thought(self, entry: Entry) -> None:
        message = self._open(entry, anew=self._has_spoken)
        _think(message, entry["parts"], entry.get("meta") or {})

    def _said(self, entry: Entry) -> None:
        results = _results_in(entry)
        said = [one for one in entry["parts"] if one["type"] != "tool_result"]
        if said:
            message = self._open(entry, anew=self._has_spoken)
            message |= content_of(self._session, said)
            reasoning = [one for one in said if one["type"] == "reasoning"]
            if reasoning:
                _think(message, reasoning, {})
            calls = [one for one in said if one["type"] == "tool_call"]
            if calls:
                message["tool_calls"] = [
                    call_document(
                        text_in(one, "tool_call_id"), text_in(one, "name"), one.get("input")
                    )
                    for one in calls
                ]
            message |= _kept_in(entry)
            if self._answer is not None:
                self._answer["id"] = entry["id"]
        if self._answer is None:
            self.messages += results
        else:
            self._results += results

    def _plain(self, entry: Entry) -> list[dict[str, Any]]:
        """Return what a person, a program or tools have said: each result is a message there."""
        results = _results_in(entry)
        said = [one for one in entry["parts"] if one["type"] != "tool_result"]
        if not said:
            return results
        message = {"role": _ROLES[entry["role"]], **content_of(self._session, said)}
        return [_wrapped(entry, message | _kept_in(entry)), *results]

    def _called(self, entry: Entry) -> None:
        message = self._open(entry)
        call = call_document(entry["tool_call_id"], entry["name"], entry.get("input"))
        calls: list[dict[str, Any]] = message.setdefault("tool_calls", [])
        if not any(one["id"] == call["id"] for one in calls):
            # What an agent says may name its calls already.
            calls.append(call)
        if entry["status"] == "open":
            return
        result = {
            "role": "tool",
            "content": output_text(entry.get("output")) or _without_output(entry["status"]),
            "tool_call_id": entry["tool_call_id"],
        }
        if entry["status"] != "completed":
            result["is_error"] = True
        self._results.append(_wrapped(entry, result))


def reasoning_of(parts: Sequence[Part]) -> str:
    """Return what is thought in parts, as one text."""
    return "".join(str(one.get("text", "")) for one in parts)


def _without_output(status: str) -> str:
    return "" if status == "completed" else status


def _think(message: dict[str, Any], parts: Sequence[Part], meta: Mapping[str, Any]) -> None:
    """Add what is thought to a message, and by whom it is signed."""
    message["reasoning_content"] = message.get("reasoning_content", "") + reasoning_of(parts)
    signed = (text_in(one, "signature") for one in parts)
    signature = next((one for one in signed if one), "") or text_in(meta, "signature")
    if signature:
        message["thinking_signature"] = signature


def _results_in(entry: Entry) -> list[dict[str, Any]]:
    """Return the results of tools in a message, each as a message."""
    found: list[dict[str, Any]] = []
    for part in entry["parts"]:
        if part["type"] != "tool_result":
            continue
        result: dict[str, Any] = {
            "role": "tool",
            "content": output_text(part.get("output")),
            "tool_call_id": text_in(part, "tool_call_id"),
        }
        if part.get("is_error") is True:
            result["is_error"] = True
        found.append(_wrapped(entry, result | _kept_in(entry)))
    return found


def _kept_in(entry: Entry) -> dict[str, Any]:
    meta: dict[str, Any] = entry.get("meta") or {}
    kept: Any = meta.get(KEPT)
    return {} if kept is None else kept_fields(kept)


def _wrapped(entry: Entry, message: dict[str, Any]) -> dict[str, Any]:
    message["created_at"] = entry["at"]
    wrapped = {
        "id": entry["id"],
        "agentName": entry.get("agent") or entry.get("author") or "",
        "message": message,
    }
    return {**wrapped, "implicit": True} if entry.get("implicit") else wrapped
