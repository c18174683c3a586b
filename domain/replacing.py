"""Records made, or made anew with some other values, quicker than `dataclasses` does it.

Every event replaces a few parts of the state: that is most of what folding a log costs. So each
class gets a function of its own, written out field by field as `dataclasses` writes its `__init__`.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from typing import Any, ParamSpec, TypeVar, cast

_T = TypeVar("_T")
_P = ParamSpec("_P")

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


def maker(kind: Callable[_P, _T]) -> Callable[_P, _T]:
    """Return a function that makes records of a class as the class does, in a third of the time.

    Args:
        kind: A frozen dataclass with slots, which does nothing when it is made, all of whose
            fields are named when it is, and whose defaults are plain values.

    Raises:
        TypeError: A default is made anew for each record.
    """
    told: list[str] = []
    known: dict[str, Any] = {"twin": _twin(kind), "kind": kind}
    for field in fields(cast("Any", kind)):
        if field.default_factory is not MISSING:
            raise TypeError(f"the default of {field.name} is made anew for each record")
        has_default = field.default is not MISSING
        known[f"default_{field.name}"] = field.default
        told.append(f"{field.name}=default_{field.name}" if has_default else field.name)
    lines = [
        f"def make(*, {', '.join(told)}):",
        "    made = twin()",
        *(f"    made.{field.name} = {field.name}" for field in fields(cast("Any", kind))),
        "    made.__class__ = kind",
        "    return made",
    ]
    exec("\n".join(lines), known)  # noqa: S102 - of the names of fields, as dataclasses does it
    make = known["make"]
    # `inspect` and the tests that read the program find the class through these.
    make.__module__, make.__wrapped__ = kind.__module__, kind
    return cast("Callable[_P, _T]", make)


def taken_from(kind: type[_T]) -> Callable[[Any], _T]:
    """Return a function that makes a record of a class from what has all of its fields.

    Args:
        kind: A frozen dataclass with slots, which does nothing when it is made.
    """
    known: dict[str, Any] = {"twin": _twin(kind), "kind": kind}
    lines = [
        "def take(of):",
        "    made = twin()",
        *(f"    made.{field.name} = of.{field.name}" for field in fields(cast("Any", kind))),
        "    made.__class__ = kind",
        "    return made",
    ]
    exec("\n".join(lines), known)  # noqa: S102 - of the names of fields, as dataclasses does it
    return cast("Callable[[Any], _T]", known["take"])


def _twin(kind: Any) -> type[Any]:
    """Return a class of the same fields that is not frozen.

    A record is made as one of it, and only then becomes its own: plain assignments take half the
    time of setting fields past `frozen`.
    """
    slots = kind.__dict__["__slots__"]
    body = {"__slots__": slots, "__setattr__": object.__setattr__}
    return type(kind.__name__, kind.__bases__, body)


def _learn(kind: type[Any]) -> Callable[[Any, Mapping[str, Any]], Any]:
    names = [field.name for field in fields(kind)]
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
    known: dict[str, Any] = {"twin": _twin(kind), "kind": kind}
    exec("\n".join(lines), known)  # noqa: S102 - of the names of fields, as dataclasses does it
    copier: Callable[[Any, Mapping[str, Any]], Any] = known["copy"]
    _COPIERS[kind] = copier
    return copier
