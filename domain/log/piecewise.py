"""Long work without input or output, done a piece at a time, so that others have turns between."""

from collections.abc import Callable, Generator, Sequence
from typing import Any, TypeVar

AT_ONCE = 500
"""How many entries of a list are one piece."""

_T = TypeVar("_T")
_Made = TypeVar("_Made")

Piecewise = Generator[None, None, _T]
"""Work that pauses after each piece, and returns what it has made."""


def at_once(work: Piecewise[_T]) -> _T:
    """Do all of the work without pauses, and return what it makes.

    Args:
        work: From its beginning on.
    """
    while True:
        try:
            next(work)
        except StopIteration as end:
            made: _T = end.value
            return made


def each(make: Callable[[Any], _Made], of: Sequence[Any]) -> Piecewise[list[_Made]]:
    """Make something of each entry of a list.

    Args:
        make: What to make of one.
        of: The entries.
    """
    made: list[_Made] = []
    for begin in range(0, len(of), AT_ONCE):
        made += map(make, of[begin : begin + AT_ONCE])
        yield
    return made
