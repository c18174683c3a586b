"""The memory of this process: one budget in shares, so that no part can take it all.

A share counts bytes. What may be dropped (kept states and transcripts) is dropped to stay within
its share; what may not (requests, appends that wait) is refused when its share is taken.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Literal, get_args

from application.errors import Overloaded

MEBIBYTE = 1024 * 1024

ShareName = Literal[
    "requests", "appends", "states", "transcripts", "streams", "exports", "partials", "webhooks"
]

PROGRAM_BYTES = 96 * MEBIBYTE
"""What the program takes before it has done anything."""

_PARTS: Mapping[ShareName, float] = {
    "requests": 0.22,
    "appends": 0.15,
    "states": 0.2,
    "transcripts": 0.15,
    "streams": 0.12,
    "exports": 0.06,
    "partials": 0.05,
    "webhooks": 0.05,
}
EXPORT_BYTES = 6 * MEBIBYTE
"""What one export holds at most, besides what its reader has not taken: pages of the next logs."""

_LEAST: Mapping[ShareName, int] = {"exports": EXPORT_BYTES}
"""Where a share has to be as large for anything to be done."""


class Share:
    """A part of the budget.

    Args:
        name: What it is for.
        limit: Bytes.
    """

    __slots__ = ("limit", "name", "used")

    def __init__(self, name: ShareName, limit: int) -> None:
        self.name = name
        self.limit = limit
        self.used = 0

    @property
    def is_over(self) -> bool:
        """Whether more is taken than there is."""
        return self.used > self.limit

    def take(self, size: int) -> None:
        """Take bytes for new work.

        Args:
            size: How many.

        Raises:
            Overloaded: There are not so many left.
        """
        if self.used + size > self.limit:
            raise Overloaded(None, share=self.name, limit=self.limit)
        self.used += size

    @contextmanager
    def held(self, size: int) -> Generator[None]:
        """Take bytes for as long as a work lasts.

        Args:
            size: How many.

        Raises:
            Overloaded: There are not so many left.
        """
        self.take(size)
        try:
            yield
        finally:
            self.count(-size)

    def count(self, size: int) -> None:
        """Note bytes that are taken already, or given back.

        Args:
            size: How many; less than 0 when they are given back.
        """
        self.used += size


class MemoryBudget:
    """The budget of one process.

    Args:
        total: Bytes, those of the program itself among them.
    """

    def __init__(self, total: int = 512 * MEBIBYTE) -> None:
        self.total = total
        room = max(total - PROGRAM_BYTES, total // 4)
        self._shares = {
            name: Share(name, max(int(room * _PARTS[name]), _LEAST.get(name, 0)))
            for name in get_args(ShareName)
        }

    def share(self, name: ShareName) -> Share:
        """Return a part of the budget.

        Args:
            name: Which.
        """
        return self._shares[name]

    def shares(self) -> list[Share]:
        """Return all of them."""
        return list(self._shares.values())
