"""What differs between two moments of one thing: what was added, removed and changed."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast


class ValueChanges(NamedTuple):
    """What leads from some values to others, each by its key.

    Args:
        added: Values that are only in the later ones.
        removed: Values that are only in the earlier ones.
        changed: The earlier and the later value of what is in both, and differs.
    """

    added: Mapping[str, Any]
    removed: Mapping[str, Any]
    changed: Mapping[str, tuple[Any, Any]]


def changes_between(earlier: Mapping[str, Any], later: Mapping[str, Any]) -> ValueChanges:
    """Return what leads from some values to others.

    Args:
        earlier: JSON values by key.
        later: JSON values by key.
    """
    return ValueChanges(
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
        objects = cast("tuple[Mapping[str, Any], Mapping[str, Any]]", (one, other))
        return objects[0].keys() != objects[1].keys() or any(
            differs(value, objects[1][key]) for key, value in objects[0].items()
        )
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        arrays = cast("tuple[Sequence[Any], Sequence[Any]]", (one, other))
        return len(arrays[0]) != len(arrays[1]) or any(map(differs, *arrays))
    return isinstance(one, bool) != isinstance(other, bool) or bool(one != other)
