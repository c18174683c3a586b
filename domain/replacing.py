"""A record with other values in some of its fields, in half the time of `dataclasses.replace`.

Every event replaces a few parts of the state: that is most of what folding a log costs.
"""

from collections.abc import Callable
from dataclasses import fields
from typing import Any, TypeVar

_T = TypeVar("_T")

_SLOTS: dict[type[Any], dict[str, Callable[[Any, Any], None]]] = {}


def replace(record: _T, /, **changes: Any) -> _T:
    """Return a record with other values in some of its fields.

    Args:
        record: Of a frozen dataclass with slots, which does nothing when it is made.
        **changes: The fields that are different.

    Raises:
        TypeError: It has no such field.
    """
    kind = type(record)
    slots = _SLOTS.get(kind) or _learn(kind)
    if not changes.keys() <= slots.keys():
        raise TypeError(f"{kind.__name__} has no {', '.join(changes.keys() - slots.keys())}")
    made: _T = object.__new__(kind)
    for name, put in slots.items():
        put(made, changes[name] if name in changes else getattr(record, name))
    return made


def _learn(kind: type[Any]) -> dict[str, Callable[[Any, Any], None]]:
    # The descriptors of slots know nothing of `frozen`.
    slots: dict[str, Callable[[Any, Any], None]] = {
        field.name: getattr(kind, field.name).__set__ for field in fields(kind)
    }
    _SLOTS[kind] = slots
    return slots
