"""A message of docker-agent in the place of one that is there: what becomes of all its parts."""

from typing import Any

from api.docker_agent.requests import Refusal
from api.docker_agent.shapes.messages import Entry, role_of, said_parts
from api.docker_agent.shapes.parts import parts_of
from api.docker_agent.shapes.wire import ChatMessage
from domain.values import Part


def revised_parts(entry: Entry, message: ChatMessage) -> tuple[Part, ...]:
    """Return what an entry of a transcript says from now on.

    What an agent thought and called in a turn is told by events of its own: it stays as it is.

    Args:
        entry: As it is.
        message: What is to stand in its place; it says the same role, or none.

    Raises:
        Refusal: 400, it cannot be.
    """
    if entry["kind"] == "tool_call":
        return parts_of(message)
    if entry["kind"] == "thought":
        return ({"type": "reasoning", "text": message.reasoning_content or message.content},)
    if message.role and role_of(message) != entry["role"]:
        raise Refusal(400, "a message keeps its role")
    if entry["role"] == "tool":
        return _results(entry, message)
    if "turn_id" not in entry:
        return said_parts(message)
    own = {kind: [one for one in entry.get("parts", ()) if one["type"] == kind] for kind in _APART}
    return (*own["reasoning"], *parts_of(message), *own["tool_call"])


_APART = ("reasoning", "tool_call")


def _results(entry: Entry, message: ChatMessage) -> tuple[Part, ...]:
    results: list[dict[str, Any]] = entry["parts"]
    wanted = message.tool_call_id
    named = [one for one in results if not wanted or one.get("tool_call_id") == wanted]
    if len(named) != 1:
        raise Refusal(400, "tool_call_id must name one of the results of this message")
    changed: dict[str, Any] = {**named[0], "output": message.content}
    changed.pop("is_error", None)
    if message.is_error:
        changed["is_error"] = True
    return tuple(changed if one is named[0] else one for one in results)
