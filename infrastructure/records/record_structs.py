"""What is read of records, for each type and version: the whole, or what a glance needs."""

from datetime import datetime
from typing import Any, Literal

import msgspec

from domain.repair.record_shape import required_of


def record_struct(cls: type[Any], name: str, version: int) -> type[msgspec.Struct]:
    """Return what is read of a record that holds an event of a class, and of no other."""
    told = [(name, str | None, None) for name in ("turn_id", "actor", "claimed_actor")]
    whole: list[Any] = [("type", Literal[name]), ("v", Literal[version]), ("at", datetime)]
    whole += [("data", cls), *told]
    # It lives for a moment and refers to nothing that refers to it.
    return msgspec.defstruct("_Whole", whole, gc=False)


def glance_struct(cls: type[Any], name: str, version: int) -> type[msgspec.Struct]:
    """Return what is read of a record at a glance: of what it must have, only that it is there."""
    kinds: dict[str, Any] = dict.fromkeys(required_of(cls), msgspec.Raw)
    asked = {"tool_call_id": str | None, "name": str | None}
    told: list[Any] = [(field, asked.get(field, kind)) for field, kind in kinds.items()]
    told += [(field, kind, None) for field, kind in asked.items() if field not in kinds]
    data = msgspec.defstruct("_Data", told, gc=False)
    turn_id = ("turn_id", str | None, None)
    whole: list[Any] = [
        ("type", Literal[name]),
        ("v", Literal[version]),
        ("id", str),
        ("at", str),
        ("data", data),
        turn_id,
    ]
    return msgspec.defstruct("_Glance", whole, gc=False)
