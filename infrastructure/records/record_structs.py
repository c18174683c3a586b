"""What is read of records, for each type and version: the whole, or what a glance needs."""

from dataclasses import MISSING, Field, fields
from datetime import datetime
from typing import Any, Literal, get_type_hints

import msgspec

from domain.repair.record_shape import required_of


def record_struct(cls: type[Any], name: str, version: int) -> type[msgspec.Struct]:
    """Return what is read of a record that holds an event of a class, and of no other.

    Its `data` have the fields of the class, and are read in half the time that the class takes.
    """
    told = [(name, str | None, None) for name in ("turn_id", "actor", "claimed_actor")]
    whole: list[Any] = [("type", Literal[name]), ("v", Literal[version]), ("at", datetime)]
    kinds = {field.name: field.type for field in fields(cls)}
    if any(isinstance(kind, str) for kind in kinds.values()):
        kinds = get_type_hints(cls, include_extras=True)
    said = [(field.name, kinds[field.name], *_default(field)) for field in fields(cls)]
    data = msgspec.defstruct("_Said", said, gc=False, kw_only=True)
    whole += [("data", data), *told]
    # It lives for a moment and refers to nothing that refers to it.
    return msgspec.defstruct("_Whole", whole, gc=False)


def _default(field: Field[Any]) -> tuple[Any, ...]:
    if field.default is not MISSING:
        return (field.default,)
    if field.default_factory is not MISSING:
        return (msgspec.field(default_factory=field.default_factory),)
    return ()


def glance_struct(cls: type[Any], name: str, version: int) -> type[msgspec.Struct]:
    """Return what is read of a record at a glance: of what it must have, only that it is there."""
    turn_id = ("turn_id", str | None, None)
    whole: list[Any] = [
        ("type", Literal[name]),
        ("v", Literal[version]),
        ("at", str),
        ("data", data_glance_struct(cls)),
        turn_id,
    ]
    return msgspec.defstruct("_Glance", whole, gc=False)


def data_glance_struct(cls: type[Any]) -> type[msgspec.Struct]:
    """Return what a glance reads of the data of a record."""
    kinds: dict[str, Any] = dict.fromkeys(required_of(cls), msgspec.Raw)
    asked = {"tool_call_id": str | None, "name": str | None}
    told: list[Any] = [(field, asked.get(field, kind)) for field, kind in kinds.items()]
    told += [(field, kind, None) for field, kind in asked.items() if field not in kinds]
    return msgspec.defstruct("_Data", told, gc=False)
