"""What is known of the parts of a UI message beyond their fields; the message has it as metadata.

The AI SDK takes a part with exactly the fields of its type, and sends the metadata of a provider to
models. The metadata of a message is free in form, and is sent to nobody.
"""

from collections.abc import Iterable, Mapping
from typing import Any

Json = dict[str, Any]

_KNOWN = "known"
_OF_CALLS = {
    "tool_kind": "kind",
    "progress_meta": "progressMeta",
    "result_meta": "resultMeta",
    "late": "late",
    "returned_in_turn": "returnedInTurn",
    "returned_in_message": "returnedInMessage",
}


def note(part: Json, details: Mapping[str, Any]) -> Json:
    """Write down in a part what is known of it, until the messages are whole.

    Args:
        part: Of a UI message; it is changed.
        details: By name; those that are None are left out.
    """
    known = {name: value for name, value in details.items() if value is not None}
    if known:
        part[_KNOWN] = part.get(_KNOWN, {}) | known
    return part


def noted_meta(part: Mapping[str, Any]) -> Json:
    """Return the `meta` that was noted in a part."""
    meta: Json = part.get(_KNOWN, {}).get("meta", {})
    return meta


def call_details(entry: Mapping[str, Any]) -> Json:
    """Return what the entry of a call says of it, beside its state, its input and its output."""
    details = {name: entry.get(field) for field, name in _OF_CALLS.items()}
    approval: Json = entry.get("approval") or {}
    asked = entry.get("input", {})
    return details | {
        "meta": _meta_beside(entry),
        "approvalMeta": approval.get("meta"),
        "askedInput": asked if asked != allowed_input(entry) else None,
    }


def allowed_input(entry: Mapping[str, Any]) -> Any:
    """Return what a call was to run with: what a person changed its input to, or its input."""
    approval: Json = entry.get("approval") or {}
    return approval.get("arguments", entry.get("input", {}))


def part_details(part: Mapping[str, Any]) -> Json:
    """Return what a part of a message says beside its content; other types show all they hold."""
    match part["type"]:
        case "text" | "reasoning" | "image" | "file" | "tool_call":
            return {"meta": _meta_beside(part), "signature": part.get("signature")}
        case "data" | "tool_result":
            return {"meta": part.get("meta")}
        case _:
            return {}


def _meta_beside(said: Mapping[str, Any]) -> Json | None:
    """Return the `meta` of something without what goes to its provider, which is in the part."""
    meta: Json = said.get("meta") or {}
    kept = dict(meta)
    if provider_of(said) is not None:
        del kept["providerMetadata"]
    return kept or None


def provider_of(said: Mapping[str, Any]) -> Json | None:
    """Return what `meta.providerMetadata` says by provider, such as signatures of reasoning."""
    meta: Json = said.get("meta") or {}
    found: Mapping[str, Any] | str | None = meta.get("providerMetadata")
    if not found or not isinstance(found, Mapping):
        return None
    return dict(found) if all(isinstance(one, dict) for one in found.values()) else None


def put_in_metadata(messages: Iterable[Json]) -> None:
    """Move what was noted in the parts into the metadata of their messages.

    Args:
        messages: Whole; `metadata.parts` has what is known of each part, by its index in `parts`.
    """
    for message in messages:
        noted = {
            str(index): part.pop(_KNOWN)
            for index, part in enumerate(message["parts"])
            if _KNOWN in part
        }
        if noted:
            message["metadata"]["parts"] = noted
