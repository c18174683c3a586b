"""From the data of an older event to the data of the newest version, one pure step a version."""

from collections.abc import Callable, Mapping
from typing import Any

Data = dict[str, Any]


def _created_v1(data: Data) -> Data:
    """Version 1 had the owner's fields beside the others; version 2 keeps them together."""
    owner = {
        name: data.pop(name)
        for name in ("app", "user", "workspace", "team", "scope")
        if name in data
    }
    return {"owner": owner, **data}


_STEPS: Mapping[tuple[str, int], Callable[[Data], Data]] = {
    ("session.created", 1): _created_v1,
}


def upcast(event_type: str, version: int, data: Data, newest: int) -> Data:
    """Return the data as the newest version has it.

    Args:
        event_type: The stored name.
        version: The version it was stored in.
        data: The stored data; it may be changed.
        newest: The version this program knows.
    """
    for step in range(version, newest):
        upcaster = _STEPS.get((event_type, step))
        if upcaster is not None:
            data = upcaster(data)
    return data
