"""The parts of a message here and in docker-agent."""

import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, cast

from api.docker_agent.shapes.wire import ChatMessage, MessagePart
from api.http.outgoing.responses import to_json
from domain.values import Part

_DATA_URL = re.compile(r"data:([^;,]*);base64,(.+)", re.DOTALL)
NOTHING: Mapping[str, Any] = MappingProxyType({})
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


def content_of(session: str, parts: Sequence[Part]) -> dict[str, Any]:
    """Return the `content` of parts, and `multi_content` where they are more than text.

    Args:
        session: The id of the session, where blobs that they name can be read.
        parts: What is said.
    """
    said: dict[str, Any] = {"content": text_of(parts)}
    shown = [one for one in parts if one.get("type") not in _ELSEWHERE]
    if any(one.get("type") != "text" for one in shown):
        said["multi_content"] = [_told(session, one) for one in shown]
    return said


def text_in(value: Mapping[str, Any], name: str) -> str:
    """Return a text of a JSON object, empty where it has none: clients in Go read nothing else.

    Args:
        value: The object.
        name: Of the field.
    """
    found = value.get(name)
    return found if isinstance(found, str) else ""


def _object_in(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = value.get(name)
    return cast("Mapping[str, Any]", found) if isinstance(found, Mapping) else NOTHING


def _told(session: str, part: Part) -> dict[str, Any]:
    meta = _object_in(part, "meta")
    match part.get("type"):
        case "text":
            return {"type": "text", "text": part["text"]}
        case "image":
            shown = {"url": _url_of(session, part) or _data_url(part)}
            return {
                "type": "image_url",
                "image_url": {**shown, "detail": text_in(meta, "detail")},
            }
        case "file" if url := _url_of(session, part):
            file_id = text_in(meta, "file_id")
            given = {"path": "" if url == file_id else url, "file_id": file_id}
            return {"type": "file", "file": {**given, "mime_type": text_in(part, "media_type")}}
        case "file":
            document = {
                "name": text_in(part, "name"),
                "mime_type": text_in(part, "media_type"),
                "source": {"inline_data": text_in(part, "data")},
            }
            return {"type": "document", "document": document}
        case "document" if isinstance(part.get("document"), Mapping):
            return {"type": "document", "document": part["document"]}
        case _:
            # There is no word for it there, and it must not look as if it had not been said.
            return {"type": "text", "text": to_json(dict(part)).decode()}


def _url_of(session: str, part: Part) -> str:
    """Return where the bytes of a part are, if they are not in it."""
    blob = text_in(part, "blob")
    return f"/v1/sessions/{session}/blobs/{blob}" if blob else text_in(part, "url")


def _data_url(part: Part) -> str:
    return f"data:{text_in(part, 'media_type')};base64,{text_in(part, 'data')}"


def _known(part: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in part.items() if value is not None}
