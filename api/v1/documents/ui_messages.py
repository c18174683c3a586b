"""The transcript as messages of the AI SDK UI: what an agent did in one turn is one message."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from api.v1.documents.ui_part_details import (
    allowed_input,
    call_details,
    note,
    noted_meta,
    part_details,
    provider_of,
    put_in_metadata,
)
from domain.blobs import CONTENT_TYPES

Json = dict[str, Any]
Entry = Mapping[str, Any]

_ROLES = {"user": "user", "agent": "assistant", "system": "system", "tool": "assistant"}
_RESULT = "data-tool-result"
_MARKS = {
    "permission": ("request_id", "title", "tool", "tool_call_id", "decision", "reason", "meta"),
    "turn_failed": ("failure",),
    "turn_cancelled": ("reason",),
    "conversation_cleared": ("epoch",),
}
_SPEAKERS = ("agent", "author", "actor")


def ui_messages(entries: Iterable[Entry], *, blobs_at: str = "") -> list[Json]:
    """Return the UI messages of a transcript.

    Consecutive entries of the agent in one turn become one message with the id of the turn. When
    somebody else speaks in between, what follows is a message of its own, so that the order stays.
    What became of a turn, and a permission that names no call, are parts of the newest message of
    their turn. That the conversation was cleared is a part of the first message that was said then.
    In a message of the agent each step begins with `step-start`: what it says and calls before it
    sees a result. A result stands in the part of its call, however late it came. What is known
    beside that of a part, such as `meta` or `late`, stands in `metadata.parts`, by its index.

    Args:
        entries: In the order of the log.
        blobs_at: The path under which the blobs are that they name.
    """
    entries = (_addressed(entry, blobs_at) for entry in entries)
    messages: list[Json] = []
    used: set[str] = set()
    open_calls: dict[str, tuple[Json, str | None]] = {}
    answered: set[tuple[str, str]] = set()
    step = _Step()
    parts: list[Json] = []
    of_turn: dict[str, list[Json]] = {}
    waiting: list[Json] = []
    agent: str | None = None
    for entry in entries:
        if entry["kind"] in _MARKS:
            of_turn.get(entry.get("turn_id", ""), waiting).append(_mark(entry))
            continue
        role, turn_id = _ROLES[entry["role"]], entry.get("turn_id")
        last = messages[-1] if messages else None
        goes_on = (
            last is not None
            and role == last["role"] == "assistant"
            and turn_id is not None
            and last["metadata"].get("turnId") == turn_id
        )
        if not goes_on:
            step = _Step()
            wanted = turn_id if role == "assistant" and turn_id is not None else entry["id"]
            message_id = wanted if wanted not in used else f"{wanted}:{entry['sequence']}"
            used.add(message_id)
            parts = []
            message = {"id": message_id, "role": role, "parts": parts}
            messages.append({**message, "metadata": _metadata(entry)})
        if "returned_in_message" in entry:
            answered.add((entry["returned_in_message"], entry["tool_call_id"]))
        if turn_id is not None:
            of_turn[turn_id] = parts
        speaker = entry.get("agent")
        if not goes_on:
            agent = speaker
        # The metadata of a message has what was said of the entry that it begins with.
        of_entry = entry.get("meta") if goes_on and entry["kind"] != "tool_call" else None
        for part in _parts(entry):
            if (entry["id"], part.get("id")) in answered or _is_joined(
                part, entry, open_calls, step
            ):
                continue
            note(part, {"messageMeta": of_entry, "agent": speaker if speaker != agent else None})
            of_entry, agent = None, speaker
            if role == "assistant" and step.begins_at(entry["sequence"]):
                step = _Step(is_begun=True)
                parts.append({"type": "step-start"})
            # What stood before all messages: a model must not be given a message without content.
            parts += waiting
            waiting.clear()
            parts.append(part)
            if "toolCallId" in part:
                if not part["state"].startswith("output"):
                    open_calls[part["toolCallId"]] = part, turn_id
                step.calls(entry.get("returned_at_sequence"))
    # A message that held only results of earlier calls has become empty.
    spoken = [message for message in messages if message["parts"]]
    put_in_metadata(spoken)
    return spoken


def _metadata(entry: Entry) -> Json:
    """Return the metadata of the message that an entry begins."""
    metadata: Json = {"sequence": entry["sequence"], "at": entry["at"]}
    if entry.get("turn_id") is not None:
        metadata["turnId"] = entry["turn_id"]
    metadata |= {name: entry[name] for name in _SPEAKERS if name in entry}
    if entry["kind"] != "tool_call" and entry.get("meta"):
        metadata["meta"] = entry["meta"]
    return metadata


class _Step:
    """What an agent says and calls before it sees a result."""

    def __init__(self, *, is_begun: bool = False) -> None:
        self._is_begun = is_begun
        self._first_result: int | None = None

    def calls(self, returned: int | None) -> None:
        """Take in a call that returned at a sequence, if it did."""
        if returned is not None and (self._first_result is None or returned < self._first_result):
            self._first_result = returned

    def has_result(self) -> None:
        """Take in a result that is a part: whatever follows has seen it."""
        self._first_result = 0

    def begins_at(self, sequence: int) -> bool:
        """Whether what was recorded at a sequence begins another step."""
        return not self._is_begun or (
            self._first_result is not None and self._first_result < sequence
        )


def _is_joined(
    part: Json, entry: Entry, open_calls: dict[str, tuple[Json, str | None]], step: _Step
) -> bool:
    """Put a result that came as a part into its call, if that is open."""
    found = open_calls.pop(part["id"], None) if part["type"] == _RESULT else None
    if found is None:
        return False
    call, turn_id = found
    output, is_error = part["data"]["output"], part["data"]["isError"]
    call |= _failed(output, "failed") if is_error else _completed(output)
    if call.get("approval", {}).get("approved") is not True:
        call.pop("approval", None)
    step.has_result()
    note(call, {"resultMeta": {**(entry.get("meta") or {}), **noted_meta(part)} or None})
    if turn_id is not None and entry.get("turn_id") != turn_id:
        came_in = {"returnedInTurn": entry.get("turn_id"), "returnedInMessage": entry["id"]}
        note(call, {"late": True, **came_in})
    return True


def _addressed(entry: Entry, blobs_at: str) -> Entry:
    """Return an entry whose parts say where their blobs can be read."""
    parts: list[Entry] = entry.get("parts") or []
    named = [part["type"] in CONTENT_TYPES and "blob" in part for part in parts]
    if not any(named):
        return entry
    shown = [
        {**part, "url": f"{blobs_at}/{part['blob']}"} if is_named else part
        for part, is_named in zip(parts, named, strict=True)
    ]
    return {**entry, "parts": shown}


def _mark(entry: Entry) -> Json:
    """Return the part of an entry that nobody said; each has the id of its entry."""
    kind: str = entry["kind"]
    data = {name: entry[name] for name in _MARKS[kind] if name in entry}
    return {"type": f"data-{kind.replace('_', '-')}", "id": entry["id"], "data": data}


def _parts(entry: Entry) -> list[Json]:
    if entry["kind"] == "tool_call":
        return [note(_call(entry), call_details(entry))]
    parts = [note(_part(part), part_details(part)) for part in entry["parts"]]
    if entry["kind"] == "thought":
        return [part | {"type": "reasoning"} if "text" in part else part for part in parts]
    return parts


def _call(entry: Entry) -> Json:
    call = {**_begun(entry["name"], entry["tool_call_id"], entry), "input": allowed_input(entry)}
    approval = entry.get("approval")
    status = entry["status"]
    if approval is not None and "decision" not in approval and status == "open":
        return {**call, "state": "approval-requested", "approval": {"id": approval["request_id"]}}
    granted: Json = {}
    if approval is not None and "decision" in approval:
        is_granted = approval["decision"].startswith("allow")
        answer: Json = {"id": approval["request_id"], "approved": is_granted}
        if "reason" in approval:
            answer["reason"] = approval["reason"]
        if not is_granted and status != "completed":
            return {**call, "state": "output-denied", "approval": answer}
        granted = {"approval": answer} if is_granted else {}
    if status == "open":
        return {**call, **granted, **({"state": "approval-responded"} if granted else {})}
    output = entry.get("output")
    news = _completed(output) if status == "completed" else _failed(output, status)
    return {**call, **news, **granted}


def _begun(name: str, call_id: str, of: Entry) -> Json:
    call: Json = {
        "type": f"tool-{name}",
        "toolCallId": call_id,
        "state": "input-available",
        "input": of.get("input", {}),
    }
    provider = provider_of(of)
    return call if provider is None else {**call, "callProviderMetadata": provider}


def _completed(output: Any) -> Json:
    return {"state": "output-available", "output": output}


def _failed(output: Any, status: str) -> Json:
    text = _text(output)
    if not text and output:
        text = json.dumps(output, ensure_ascii=False)
    return {"state": "output-error", "errorText": text or status}


def _text(output: str | Sequence[Any] | Entry | None) -> str:
    """Return what an output says: the text of it, or of its parts."""
    if isinstance(output, str):
        return output
    if isinstance(output, Sequence):
        return "\n".join(filter(None, map(_text, output)))
    if isinstance(output, Mapping):
        named = (output.get(name) for name in ("text", "message", "error"))
        return next((one for one in named if isinstance(one, str)), "")
    return ""


def _part(part: Entry) -> Json:
    match part["type"]:
        case "text" | "reasoning":
            return _with_provider({"type": part["type"], "text": part["text"]}, part)
        case "image" | "file":
            return _with_provider(_file(part), part)
        case "tool_call":
            return _begun(part["name"], part["tool_call_id"], part)
        case "tool_result":
            return {
                "type": _RESULT,
                "id": part["tool_call_id"],
                "data": {"output": part.get("output"), "isError": part.get("is_error", False)},
            }
        case "data":
            return {"type": f"data-{part.get('name') or 'json'}", "data": part["data"]}
        case kind:
            return {"type": f"data-{kind}", "data": {k: part[k] for k in part if k != "type"}}


def _file(part: Entry) -> Json:
    default = "image/*" if part["type"] == "image" else "application/octet-stream"
    media_type = part.get("media_type", default)
    url = part.get("url") or f"data:{media_type};base64,{part.get('data', '')}"
    file: Json = {"type": "file", "mediaType": media_type, "url": url}
    return {**file, "filename": part["name"]} if "name" in part else file


def _with_provider(made: Json, part: Entry) -> Json:
    provider = provider_of(part)
    return made if provider is None else {**made, "providerMetadata": provider}
