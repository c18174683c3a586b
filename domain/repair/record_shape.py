"""What a record of Cairn's own must have: by its type, at a glance and looked at closely."""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, Protocol

from domain.log.catalogue import NAMES
from domain.repair.rows import Unreadable, is_moment, object_of


def required_of(cls: type[Any]) -> frozenset[str]:
    """Return the fields without which an event of a class cannot be understood.

    Args:
        cls: In the catalogue.
    """
    return frozenset(
        field.name
        for field in fields(cls)
        if field.default is MISSING
        and field.default_factory is MISSING
        and field.name != "tool_call_id"
    )


_KNOWN: Mapping[str, tuple[int, frozenset[str]]] = {
    name: (version, required_of(cls)) for cls, (name, version) in NAMES.items()
}


class GlanceAtData(Protocol):
    """What is asked of the data of such a record."""

    @property
    def tool_call_id(self) -> str | None:
        """Of a call or a result, if it has one."""
        ...

    @property
    def name(self) -> str | None:
        """Of the tool of a call."""
        ...


class Glance(Protocol):
    """What is asked of a record that is as the newest version of its type has it."""

    @property
    def at(self) -> str:
        """Its time, as it is written."""
        ...

    @property
    def turn_id(self) -> str | None:
        """Its turn, if it has one."""
        ...

    @property
    def data(self) -> GlanceAtData:
        """What it says."""
        ...


def checked(value: Mapping[str, Any], problems: list[tuple[str, str]]) -> bool:
    """Return whether this program knows what a record says.

    Args:
        value: The record.
        problems: Takes what is wrong with one that is still understood, each with its code.

    Raises:
        Unreadable: It is no record at all, or lacks what every event of its type has.
    """
    name, version, data = value.get("type"), value.get("v"), object_of(value.get("data"))
    if not isinstance(name, str) or not name:
        raise Unreadable("it names no type")
    if type(version) is not int or version < 1:
        raise Unreadable("it names no version")
    if data is None:
        raise Unreadable("its data is no object")
    if not is_moment(value.get("at")):
        raise Unreadable("its time is none")
    if not isinstance(value.get("turn_id", ""), str):
        raise Unreadable("its turn_id is no text")
    known = _KNOWN.get(name)
    if known is None:
        return False
    newest, required = known
    if version > newest:
        problems.append(
            ("unknown_event_version", f"{name} version {version}; this release knows {newest}")
        )
        return False
    if version == newest and not data.keys() >= required:
        raise Unreadable(f"it lacks {', '.join(sorted(required - data.keys()))}")
    return True
