"""Which events write keys of a state: the one place that knows."""

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from domain.log.event_types import NAMES
from domain.session.events import ConversationRewound, SessionCreated, StatePatched

_WRITERS = (SessionCreated, StatePatched, ConversationRewound)

WRITER_NAMES: tuple[str, ...] = tuple(NAMES[cls][0] for cls in _WRITERS)
"""The stored names of the events that write keys."""

SETTING_FIELDS: tuple[str, ...] = ("set", "state")
"""The fields of their records that hold keys with values; `delete` holds keys alone."""


class KeyWrites(NamedTuple):
    """The keys that an event sets and takes away, plain and shared ones."""

    set: Mapping[str, Any]
    delete: tuple[str, ...]


NO_WRITES = KeyWrites({}, ())


def key_writes(event: object) -> KeyWrites:
    """Return the keys that an event sets and takes away.

    Args:
        event: Any event.
    """
    match event:
        case SessionCreated():
            return KeyWrites(event.state, ())
        case StatePatched() | ConversationRewound():
            return KeyWrites(event.set, event.delete)
        case _:
            return NO_WRITES


def recorded_key_writes(data: Mapping[str, Any]) -> KeyWrites:
    """Return the keys that a record sets and takes away, of a newer version of its event too.

    Fields of another kind, as only damage leaves them, write nothing.

    Args:
        data: What the record of an event says, whose name is one of `WRITER_NAMES`.
    """
    values: dict[str, Any] = {}
    for field in SETTING_FIELDS:
        if isinstance(kept := data.get(field), dict):
            values |= kept
    deleted = data.get("delete")
    return KeyWrites(values, tuple(cast("list[str]", deleted)) if isinstance(deleted, list) else ())
