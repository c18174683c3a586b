"""A record with other values in some of its fields, quicker than with `dataclasses.replace`.

Every event replaces a few parts of the state: that is most of what folding a log costs. So each
class gets a function of its own, written out field by field as `dataclasses` writes its `__init__`.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, TypeVar

_T = TypeVar("_T")

_COPIERS: dict[type[Any], Callable[[Any, Mapping[str, Any]], Any]] = {}


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
    try:
        made: _T = copier(record, changes)
    except AttributeError:
        unknown = changes.keys() - {field.name for field in fields(kind)}  # type: ignore[arg-type]
        raise TypeError(f"{kind.__name__} has no {', '.join(unknown)}") from None
    return made


def _learn(kind: type[Any]) -> Callable[[Any, Mapping[str, Any]], Any]:
    names = [field.name for field in fields(kind)]
    # A record is made as one of a twin class, which is not frozen, and only then becomes its own:
    # plain assignments take half the time of setting fields past `frozen`.
    slots = kind.__dict__["__slots__"]
    body = {"__slots__": slots, "__setattr__": object.__setattr__}
    twin = type(kind.__name__, kind.__bases__, body)
    # To copy all and then change a few takes less than to ask of each field whether it changes.
    lines = [
        "def copy(record, changes):",
        "    made = twin()",
        *(f"    made.{name} = record.{name}" for name in names),
        "    for name, value in changes.items():",
        "        setattr(made, name, value)",
        "    made.__class__ = kind",
        "    return made",
    ]
    known: dict[str, Any] = {"twin": twin, "kind": kind}
    exec("\n".join(lines), known)  # noqa: S102 - of the names of fields, as dataclasses does it
    copier: Callable[[Any, Mapping[str, Any]], Any] = known["copy"]
    _COPIERS[kind] = copier
    return copier
