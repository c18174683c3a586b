"""Parts of messages, made of what other systems have."""

import re
from typing import Any

from domain.parts import BASE64_PATTERN
from domain.values import Part

_BASE64 = re.compile(BASE64_PATTERN)


def text_part(text: str) -> Part:
    """Return a text as a part of a message."""
    return {"type": "text", "text": text}


def data_part(kind: str, raw: Any) -> Part:
    """Return something of another kind as a part of a message.

    Args:
        kind: What the source calls it.
        raw: All that it says.
    """
    return {"type": "data", "name": kind, "data": raw}


def media_part(data: Any, media_type: Any, name: Any = None) -> Part:
    """Return a file that was given inside a message, as an image or as a file.

    Args:
        data: As base64.
        media_type: Such as `image/png`.
        name: Of the file.
    """
    kind = media_type if isinstance(media_type, str) else "application/octet-stream"
    if not isinstance(data, str) or not data or not _BASE64.fullmatch(data):
        return data_part("file", {"data": data, "media_type": kind})
    part = {"type": "image" if kind.startswith("image/") else "file", "data": data}
    part["media_type"] = kind
    if isinstance(name, str) and name:
        part["name"] = name
    return part


def linked_part(url: Any, media_type: Any = None) -> Part:
    """Return a file that is somewhere else as a part; it is not looked at.

    Args:
        url: Where; a `data:` URL holds the file itself.
        media_type: Such as `image/png`.
    """
    if isinstance(url, str) and url.startswith("data:"):
        head, _, data = url.partition(",")
        if head.endswith(";base64"):
            return media_part(data, head[5:-7] or media_type)
    if not isinstance(url, str) or not url.strip():
        return data_part("file", {"url": url})
    kind = media_type if isinstance(media_type, str) else ""
    part = {"type": "file" if kind and not kind.startswith("image/") else "image", "url": url}
    return part | {"media_type": kind} if kind else part
