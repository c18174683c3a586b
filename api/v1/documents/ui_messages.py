"""The transcript as messages of the AI SDK UI: what an agent did in one turn is one message."""

from collections.abc import Iterable, Mapping
from typing import Any

Json = dict[str, Any]
Entry = Mapping[str, Any]

_ROLES = {"user": "user", "agent": "assistant", "system": "system"}


def ui_messages(entries: Iterable[Entry]) -> list[Json]:
    """Return the UI messages of a transcript.

    Consecutive entries of the agent in one turn become one message with the id of the turn. When
    somebody else speaks in between, what follows is a message of its own, so that the order stays.

    Args:
        entries: In the order of the log.
    """
    messages: list[Json] = []
    used: set[str] = set()
    for entry in entries:
        role, turn_id = _ROLES[entry["role"]], entry.get("turn_id")
        last = messages[-1] if messages else None
        parts = _parts(entry)
        if (
            last is not None
            and role == last["role"] == "assistant"
            and turn_id is not None
            and last["metadata"].get("turnId") == turn_id
        ):
            last["parts"] += parts
            continue
        wanted = turn_id if role == "assistant" and turn_id is not None else entry["id"]
        message_id = wanted if wanted not in used else f"{wanted}:{entry['sequence']}"
        used.add(message_id)
        metadata: Json = {"sequence": entry["sequence"], "at": entry["at"]}
        if turn_id is not None:
            metadata["turnId"] = turn_id
        messages.append({"id": message_id, "role": role, "parts": parts, "metadata": metadata})
    for message in messages:
        message["parts"] = _with_results(message["parts"])
    return messages


def _parts(entry: Entry) -> list[Json]:
    if entry["kind"] == "tool_call":
        return [_called(entry)]
    if entry["kind"] == "thought":
        return [_part(part) | {"type": "reasoning"} if "text" in part else _part(part)
                for part in entry["parts"]]  # fmt: skip
    return [_part(part) for part in entry["parts"]]


def _called(entry: Entry) -> Json:
    call: Json = {
        "type": f"tool-{entry['name']}",
        "toolCallId": entry["id"],
        "state": "input-available",
        "input": entry.get("input", {}),
    }
    match entry["status"]:
        case "open":
            return call
        case "completed":
            return _returned(call, entry.get("output"))
        case status:
            return _broken(call, entry.get("output"), status)


def _returned(call: Json, output: Any) -> Json:
    return {**call, "state": "output-available", "output": output}


def _broken(call: Json, output: Any, status: str) -> Json:
    text = output if isinstance(output, str) and output else status
    broken: Json = {**call, "state": "output-error", "errorText": text}
    return broken if output is None else {**broken, "output": output}


def _part(part: Entry) -> Json:
    match part["type"]:
        case "text" | "reasoning":
            return {"type": part["type"], "text": part["text"]}
        case "image" | "file":
            return _file(part)
        case "tool_call":
            return {
                "type": f"tool-{part['name']}",
                "toolCallId": part["tool_call_id"],
                "state": "input-available",
                "input": part.get("input", {}),
            }
        case "tool_result":
            return {
                "type": "data-tool-result",
                "id": part["tool_call_id"],
                "data": {"output": part.get("output"), "isError": part.get("is_error", False)},
            }
        case _:
            return {"type": f"data-{part.get('name') or 'json'}", "data": part["data"]}


def _file(part: Entry) -> Json:
    default = "image/*" if part["type"] == "image" else "application/octet-stream"
    media_type = part.get("media_type", default)
    url = part.get("url") or f"data:{media_type};base64,{part.get('data', '')}"
    file: Json = {"type": "file", "mediaType": media_type, "url": url}
    return {**file, "filename": part["name"]} if "name" in part else file


def _with_results(parts: list[Json]) -> list[Json]:
    """Put a result that came as a part into its call, when both are in one message."""
    calls = {part["toolCallId"]: i for i, part in enumerate(parts) if "toolCallId" in part}
    merged = list(parts)
    for part in parts:
        index = calls.get(part["id"]) if part["type"] == "data-tool-result" else None
        if index is None or merged[index]["state"] != "input-available":
            continue
        output, is_error = part["data"]["output"], part["data"]["isError"]
        call = merged[index]
        merged[index] = _broken(call, output, "failed") if is_error else _returned(call, output)
        merged.remove(part)
        # What was removed stands behind every call: a result follows its call.
        calls = {one["toolCallId"]: i for i, one in enumerate(merged) if "toolCallId" in one}
    return merged
