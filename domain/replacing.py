"""A record with other values in some of its fields, quicker than with `dataclasses.replace`.

Every event replaces a few parts of the state: that is most of what folding a log costs. So each
class gets a function of its own, written out field by field as `dataclasses` writes its `__init__`.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, NamedTuple, TypeVar

_T = TypeVar("_T")


class _Copier(NamedTuple):
    copy: Callable[[Any, Mapping[str, Any]], Any]
    names: frozenset[str]


_COPIERS: dict[type[Any], _Copier] = {}


def replace(record: _T, /, **changes: Any) -> _T:
    """Return a record with other values in some of its fields.

    Args:
        record: Of a frozen dataclass with slots, which does nothing when it is made.
        **changes: The fields that are different.

    Raises:
        TypeError: It has no such field.
    """
    kind = type(record)
    copier = _COPIERS.get(kind) or _learn(kind)
    if not changes.keys() <= copier.names:
        raise TypeError(f"{kind.__name__} has no {', '.join(changes.keys() - copier.names)}")
    made: _T = copier.copy(record, changes)
    return made


def _learn(kind: type[Any]) -> _Copier:
    names = [field.name for field in fields(kind)]
    lines = [
        "def copy(record, changes):",
        "    made = new(kind)",
        *(f"    put_{n}(made, changes[{n!r}] if {n!r} in changes else record.{n})" for n in names),
        "    return made",
    ]
    # The descriptors of slots know nothing of `frozen`.
    known: dict[str, Any] = {f"put_{name}": getattr(kind, name).__set__ for name in names}
    known |= {"new": object.__new__, "kind": kind}
    exec("\n".join(lines), known)  # noqa: S102 - of the names of fields, as dataclasses does it
    copier = _Copier(known["copy"], frozenset(names))
    _COPIERS[kind] = copier
    return copier
