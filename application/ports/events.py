"""Events as those who follow the log meet them: with their owner, and filtered."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from application.ports.rows import StoredEvent
from domain.catalogue import NAMES


class OwnedEvent(NamedTuple):
    """An event, and whose session it belongs to; None for a log of another program."""

    stored: StoredEvent
    app: str | None
    user: str | None


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events are wanted; all of them by default.

    Args:
        types: Names, or the beginnings of names such as `turn.*`; none are all.
        app: Only of sessions of this app.
        user: Only of sessions of this user.
    """

    types: tuple[str, ...] = ()
    app: str | None = None
    user: str | None = None

    @property
    def exact(self) -> list[str]:
        """The types that are whole names."""
        return [one for one in self.types if not one.endswith("*")]

    @property
    def prefixes(self) -> list[str]:
        """The beginnings of names."""
        return [one[:-1] for one in self.types if one.endswith("*")]

    def takes(self, event: OwnedEvent) -> bool:
        """Return whether an event is one of them."""
        if self.app is not None and event.app != self.app:
            return False
        if self.user is not None and event.user != self.user:
            return False
        return not self.types or any(matches(one, event.stored.type) for one in self.types)


def named_types(patterns: Iterable[str]) -> frozenset[str]:
    """Return the types of events that patterns name.

    Args:
        patterns: Names, or the beginnings of names such as `turn.*`; one that names no type stays
            as it is, and so takes nothing.
    """
    found: set[str] = set()
    for pattern in patterns:
        found |= {name for name, _ in NAMES.values() if matches(pattern, name)} or {pattern}
    return frozenset(found)


def matches(pattern: str, kind: str) -> bool:
    """Return whether a type of events is named by a pattern.

    Args:
        pattern: A name, or the beginning of one and `*`.
        kind: The name of the type.
    """
    return kind.startswith(pattern[:-1]) if pattern.endswith("*") else kind == pattern
