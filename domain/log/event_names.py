"""Which type of events an unknown name was probably meant for."""

import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches

from domain.log.catalogue import NAMES

KNOWN = frozenset(name for name, _ in NAMES.values())
"""The names of all types of events that there are."""

_SLIPS: Mapping[str, str] = {
    "agent.reasoning": "agent.thought",
    "agent.thinking": "agent.thought",
    "tool.completed": "tool.returned",
    "tool.output": "tool.returned",
    "tool.response": "tool.returned",
    "tool.result": "tool.returned",
    "tool.results": "tool.returned",
    "tool.use": "tool.called",
}
_LONGEST_ENDING = len("ped")
_FAMILIES = frozenset(name.partition(".")[0] + ".*" for name in KNOWN)
_SEPARATORS = re.compile(r"[_:/-]")


def plain(name: str) -> str:
    """Return a name in small letters, with dots for what others put between words."""
    return _SEPARATORS.sub(".", name.lower())


def nearest(name: str, names: Collection[str]) -> str | None:
    """Return which of some names was most likely meant by another one.

    Args:
        name: A plain one.
        names: Those that there are.
    """
    if _SLIPS.get(name) in names:
        return _SLIPS[name]
    close = get_close_matches(name, names, n=1, cutoff=0.8)
    return close[0] if close else None


def in_the_past(name: str, names: Collection[str]) -> str | None:
    """Return the name that says that something has happened where another says to do it.

    Args:
        name: A plain one, such as `turn.complete`.
        names: Those that there are, such as `turn.completed`.
    """
    longest = len(name) + _LONGEST_ENDING
    said = (one for one in names if one.startswith(name) and len(one) <= longest)
    return next((one for one in said if one.endswith("ed") and "." in name), None)


def matches(pattern: str, kind: str) -> bool:
    """Return whether a type of events is named by a pattern.

    Args:
        pattern: A name, or the beginning of one and `*`.
        kind: The name of the type.
    """
    return kind.startswith(pattern[:-1]) if pattern.endswith("*") else kind == pattern


def fault_of_pattern(pattern: str) -> str:
    """Return what is wrong with a pattern that names no type of events; empty when it names one.

    It is so wherever types are named: who waits for a type that never comes should hear so. What
    Cairn does not know is recorded as `runtime.event`, whatever its kind.

    Args:
        pattern: A name, or the beginning of several and `*`.
    """
    if any(matches(pattern, name) for name in KNOWN):
        return ""
    meant = plain(pattern)
    family = meant.rstrip(".*") + ".*"
    guess = family if family in _FAMILIES else None
    if guess is None:
        guess = meant if meant in KNOWN else nearest(meant, sorted(KNOWN | _FAMILIES))
    no = f"no type of event is called {pattern!r}"
    if guess is not None:
        return f"{no}; did you mean `{guess}`?"
    return (
        f"{no}; write one such as turn.completed, or the beginning of several such as turn.*"
        " (what Cairn does not know is a runtime.event)"
    )
