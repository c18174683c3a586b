"""What differs between two moments of one thing: what was added, removed and changed."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Changes(NamedTuple):
    """What leads from some values to others, each by its key.

    Args:
        added: Values that are only in the later ones.
        removed: Values that are only in the earlier ones.
        changed: The earlier and the later value of what is in both, and differs.
    """

    added: Mapping[str, Any]
    removed: Mapping[str, Any]
    changed: Mapping[str, tuple[Any, Any]]


def changes_between(earlier: Mapping[str, Any], later: Mapping[str, Any]) -> Changes:
    """Return what leads from some values to others.

    Args:
        earlier: JSON values by key.
        later: JSON values by key.
    """
    return Changes(
        {key: value for key, value in later.items() if key not in earlier},
        {key: value for key, value in earlier.items() if key not in later},
        {
            key: (value, later[key])
            for key, value in earlier.items()
            if key in later and differs(value, later[key])
        },
    )


def differs(one: Any, other: Any) -> bool:
    """Return whether two JSON values differ; a number is never a boolean.

    Args:
        one: A JSON value.
        other: A JSON value.
    """
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() != other.keys() or any(differs(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) != len(other) or any(map(differs, one, other))
    return isinstance(one, bool) != isinstance(other, bool) or bool(one != other)
