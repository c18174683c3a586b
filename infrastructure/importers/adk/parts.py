"""What the parts of a message of google-adk are here, and what it says of confirmations."""

import json
from collections.abc import Mapping
from typing import Any

from domain.values import Part
from infrastructure.importers.drafting.parts import data_part, linked_part, media_part, text_part
from infrastructure.importers.reading.values import (
    object_of,
)

_META = {"model_version": "model", "finish_reason": "finish_reason", "branch": "branch"}


def part_of(part: Mapping[str, Any]) -> Part | None:
    """Return a part of a message; None for what is none, or a call or a response."""
    if isinstance(part.get("text"), str):
        return text_part(part["text"])
    if "inline_data" in part:
        data = object_of(part["inline_data"])
        return media_part(data.get("data"), data.get("mime_type"), data.get("display_name"))
    if "file_data" in part:
        data = object_of(part["file_data"])
        return linked_part(data.get("file_uri"), data.get("mime_type"))
    if "function_call" in part or "function_response" in part or not part:
        return None
    return data_part("adk_part", dict(part))


def meta_of(event: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what is kept beside what an event says; None for nothing."""
    meta = {name: event[field] for field, name in _META.items() if event.get(field)}
    if path := object_of(event.get("node_info")).get("path"):
        meta["node_path"] = path
    return meta or None


def is_confirmed(output: Any) -> bool:
    """Return whether the answer to a request for confirmation is yes."""
    told = object_of(output)
    if isinstance(told.get("response"), str):
        try:
            told = object_of(json.loads(told["response"]))
        except (ValueError, RecursionError):
            return False
    return told.get("confirmed") is True
