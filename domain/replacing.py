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
    # A record is made as one of a twin class, which is not frozen, and only then becomes its own:
    # plain assignments take half the time of setting fields past `frozen`.
    slots = kind.__dict__["__slots__"]
    body = {"__slots__": slots, "__setattr__": object.__setattr__}
    twin = type(kind.__name__, kind.__bases__, body)
    lines = [
        "def copy(record, changes):",
        "    made = twin()",
        *(f"    made.{n} = changes[{n!r}] if {n!r} in changes else record.{n}" for n in names),
        "    made.__class__ = kind",
        "    return made",
    ]
    known: dict[str, Any] = {"twin": twin, "kind": kind}
    exec("\n".join(lines), known)  # noqa: S102 - of the names of fields, as dataclasses does it
    copier = _Copier(known["copy"], frozenset(names))
    _COPIERS[kind] = copier
    return copier
