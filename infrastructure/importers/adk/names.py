"""The names of fields in exports of google-adk, as its databases have them."""

import re
from functools import lru_cache
from typing import Any

from infrastructure.importers.reading.values import (
    list_of,
    object_of,
)

_HUMP = re.compile(r"(?<!^)([A-Z])")


def snaked(value: Any) -> dict[str, Any]:
    """Return an object with the names of its fields as databases have them.

    Args:
        value: Of an export, which has `invocationId` for `invocation_id`.
    """
    return {_snake(key): item for key, item in object_of(value).items()}


@lru_cache(maxsize=1024)
def _snake(name: str) -> str:
    return _HUMP.sub(r"_\1", name).lower()


def snaked_event(value: Any) -> dict[str, Any]:
    """Return an event of an export as databases have it; what users made stays as it is."""
    event = snaked(value)
    content, actions = object_of(event.get("content")), snaked(event.get("actions"))
    if content:
        parts = [
            {
                name: snaked(item) if name.endswith(("_data", "_call", "_response")) else item
                for name, item in snaked(part).items()
            }
            for part in list_of(content.get("parts"))
        ]
        event["content"] = {**content, "parts": parts}
    if "compaction" in actions:
        actions["compaction"] = snaked(actions["compaction"])
    event["actions"] = actions
    event["usage_metadata"] = snaked(event.get("usage_metadata"))
    return event
