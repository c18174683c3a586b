"""How a class becomes an event: with a stored name and a version, which never change again."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, dataclass_transform

_E = TypeVar("_E")

NAMES: dict[type[Any], tuple[str, int]] = {}
"""The stored name and the current version of every event class that was imported; those of all
are in `domain.log.catalogue`."""


@dataclass_transform(frozen_default=True, kw_only_default=True)
def event(name: str, version: int = 1) -> Callable[[type[_E]], type[_E]]:
    """Make a frozen dataclass of a class, and register it as an event.

    Args:
        name: Its stored name.
        version: Its current version; older ones have upcasters.
    """

    def register(cls: type[_E]) -> type[_E]:
        made = dataclass(frozen=True, slots=True, kw_only=True)(cls)
        NAMES[made] = (name, version)
        return made

    return register
