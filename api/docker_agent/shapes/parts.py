"""The parts of a message here and in docker-agent."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from api.docker_agent.shapes.wire import ChatMessage, MessagePart
from api.http.outgoing.responses import to_json
from domain.values import Part

_DATA_URL = re.compile(r"data:([^;,]*);base64,(.+)", re.DOTALL)
_ELSEWHERE = ("reasoning", "tool_call", "tool_result")
"""Types of parts that have fields of their own in a message there."""


def parts_of(message: ChatMessage) -> tuple[Part, ...]:
    """Return the parts of what somebody says; an empty message is an empty text.

    Args:
        message: As it came.
    """
    found = [_part_of(one) for one in message.multi_content]
    if not found or (message.content and not any(one["type"] == "text" for one in found)):
        found.insert(0, {"type": "text", "text": message.content})
    return tuple(found)


def joined_parts(messages: Sequence[ChatMessage]) -> tuple[Part, ...]:
    """Return several messages as one: each text but the last has a line end, as there.

    Args:
        messages: In their order.
    """
    found: list[Part] = []
    for index, message in enumerate(messages):
        parts = [dict(part) for part in parts_of(message)]
        if index < len(messages) - 1 and parts[-1]["type"] == "text":
            parts[-1]["text"] += "\n"
        found += parts
    return tuple(found) or ({"type": "text", "text": ""},)


def _part_of(part: MessagePart) -> dict[str, Any]:
    if part.type == "image_url" and part.image_url is not None and part.image_url.url:
        meta = {"detail": part.image_url.detail} if part.image_url.detail else None
        inline = _DATA_URL.fullmatch(part.image_url.url)
        where = (
            {"url": part.image_url.url}
            if inline is None
            else {"data": inline[2], "media_type": inline[1] or None}
        )
        return _known({"type": "image", **where, "meta": meta})
    if part.type == "file" and part.file is not None and (part.file.path or part.file.file_id):
        meta = {"file_id": part.file.file_id} if part.file.file_id else None
        return _known(
            {
                "type": "file",
                "url": part.file.path or part.file.file_id,
                "media_type": part.file.mime_type or None,
                "meta": meta,
            }
        )
    if part.type == "document" and part.document is not None:
        return {"type": "document", "document": part.document}
    return {"type": "text", "text": part.text}


def text_of(parts: Iterable[Part]) -> str:
    """Return what is said in parts, as one text."""
    return "".join(str(one["text"]) for one in parts if one.get("type") == "text")


def content_of(parts: Sequence[Part]) -> dict[str, Any]:
    """Return the `content` of parts, and `multi_content` where they are more than text."""
    said: dict[str, Any] = {"content": text_of(parts)}
    shown = [one for one in parts if one.get("type") not in _ELSEWHERE]
    if any(one.get("type") != "text" for one in shown):
        said["multi_content"] = [_told(one) for one in shown]
    return said


def _told(part: Part) -> dict[str, Any]:
    meta: Mapping[str, Any] = part.get("meta") or {}
    match part.get("type"):
        case "text" | "reasoning":
            return {"type": "text", "text": part["text"]}
        case "image":
            url = part.get("url") or _data_url(part)
            return {
                "type": "image_url",
                "image_url": {"url": url, "detail": meta.get("detail", "")},
            }
        case "file" if part.get("url"):
            path = "" if part["url"] == meta.get("file_id") else part["url"]
            given = {"path": path, "file_id": meta.get("file_id", "")}
            return {"type": "file", "file": {**given, "mime_type": part.get("media_type", "")}}
        case "file":
            document = {
                "name": part.get("name", ""),
                "mime_type": part.get("media_type", ""),
                "source": {"inline_data": part.get("data")},
            }
            return {"type": "document", "document": document}
        case "document":
            return {"type": "document", "document": part.get("document")}
        case _:
            # There is no word for it there, and it must not look as if it had not been said.
            return {"type": "text", "text": to_json(dict(part)).decode()}


def _data_url(part: Part) -> str:
    return f"data:{part.get('media_type') or ''};base64,{part.get('data')}"


def _known(part: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in part.items() if value is not None}
