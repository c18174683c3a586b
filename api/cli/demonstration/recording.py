"""The recorded run of a real agent that the demo plays."""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import msgspec

_RECORDING = "recordings/qwen_code.jsonl"

Line = Mapping[str, Any]


def read_recording() -> list[Line]:
    """Return the lines of the recording, in order; its pieces say where they belong."""
    text = files("api.cli.demonstration").joinpath(_RECORDING).read_bytes()
    lines = [msgspec.json.decode(line) for line in text.splitlines()]
    offsets: dict[str, int] = {}
    for line in lines:
        for event in line.get("events", ()):
            kind: str = event["type"]
            if line["do"] == "partial":
                event["offset"] = offsets.get(kind, 0)
                offsets[kind] = event["offset"] + len(event["data"]["parts"][0]["text"])
            else:
                offsets.pop(kind, None)
    return lines


def request_of(line: Line, session_id: str) -> tuple[str, str, Mapping[str, Any]]:
    """Return the method, path and body that a line of the recording stands for.

    Args:
        line: Of the recording.
        session_id: Which session it is played into.
    """
    path = f"/v1/sessions/{session_id}"
    body = line.get("body", {})
    match line["do"]:
        case "create":
            return "POST", "/v1/sessions", {**body, "id": session_id}
        case "turn.start":
            return "POST", f"{path}/turns", {**body, "turn_id": line["turn"]}
        case "events":
            return "POST", f"{path}/turns/{line['turn']}/events", {"events": line["events"]}
        case "partial":
            body = {"events": line["events"], "partial": True}
            return "POST", f"{path}/turns/{line['turn']}/events", body
        case "permission.request":
            return "POST", f"{path}/interactions", {**body, "turn_id": line["turn"]}
        case "permission.decide":
            return "POST", f"{path}/interactions/{line['request_id']}/decision", body
        case "stop":
            return "POST", f"{path}/stop", body
        case ending:
            return "POST", f"{path}/turns/{line['turn']}/{ending.removeprefix('turn.')}", body
