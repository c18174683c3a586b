"""What reads the records of each type, made when the first of its type is read."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from domain.log.catalogue import NAMES
from domain.replacing import taken_from
from domain.session.events import SessionEvent
from infrastructure.records.record_structs import (
    data_glance_struct,
    glance_struct,
    record_struct,
)

_T = TypeVar("_T")
_CLASSES = {name: cls for cls, (name, _) in NAMES.items()}


@dataclass(frozen=True, slots=True)
class Reader:
    """How the records of one type are read.

    Args:
        newest: The newest version.
        whole: Reads a record of that version.
        made: Makes the event of what was read.
        data: Reads the data of one.
        cls: The class of the event.
    """

    newest: int
    whole: Callable[[bytes], Any]
    made: Callable[[Any], SessionEvent]
    data: Callable[[msgspec.Raw], SessionEvent]
    cls: type[Any]


class _OfTypes(dict[str, _T | None]):
    """What reads the records of a type, by its name; None for an unknown type.

    To make it for all types takes 40 ms, and few processes read all of them.

    Args:
        make: Makes it for a class of events, from the name of its type and its newest version.
    """

    def __init__(self, make: Callable[[type[Any], str, int], _T]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, type_: str) -> _T | None:
        cls = _CLASSES.get(type_)
        if cls is None:
            return None
        made = self[type_] = self._make(cls, *NAMES[cls])
        return made


def _reader(cls: type[Any], name: str, version: int) -> Reader:
    whole = msgspec.json.Decoder(record_struct(cls, name, version)).decode
    return Reader(version, whole, taken_from(cls), msgspec.json.Decoder(cls).decode, cls)


def _glance(cls: type[Any], name: str, version: int) -> Callable[[bytes], Any]:
    return msgspec.json.Decoder(glance_struct(cls, name, version)).decode


def _data_glance(cls: type[Any], _: str, version: int) -> tuple[bytes, Callable[[bytes], Any]]:
    return b"%d" % version, msgspec.json.Decoder(data_glance_struct(cls)).decode


READERS = _OfTypes(_reader)
"""Reads whole records."""

GLANCES = _OfTypes(_glance)
"""Reads the little of a record of the newest version that repair asks."""

DATA_GLANCES = _OfTypes(_data_glance)
"""The newest version of a type, in digits, and what reads the same of the data of its records."""
