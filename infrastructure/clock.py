"""Time and new ids from the operating system."""

import os
import time
from datetime import UTC, datetime
from uuid import UUID

_EACH = 20
"""The hexadecimal digits that are fetched for an id, which does not have the first of them."""
_BULK = 400 * _EACH // 2
_VARIANT = {digit: "89ab"[int(digit, 16) % 4] for digit in "0123456789abcdef"}
"""The digit that says of which variant an id is, with two of its random bits."""


class SystemClock:
    """The real clock."""

    def __init__(self) -> None:
        self._digits, self._used = "", 0
        self._at, self._begin = -1, ""

    def now(self) -> datetime:
        """Return the time, UTC, to the microsecond."""
        return datetime.now(UTC)

    def milliseconds(self) -> int:
        """Return the time since 1970."""
        return time.time_ns() // 1_000_000

    def new_id(self) -> UUID:
        """Return a UUIDv7: 48 bits of milliseconds, then 74 random bits (RFC 9562, 5.7)."""
        return UUID(self.new_name())

    def new_name(self) -> str:
        """Return such an id as text."""
        milliseconds = self.milliseconds()
        if milliseconds != self._at:
            begin = "%08x-%04x-7" % divmod(milliseconds, 1 << 16)  # noqa: UP031 - the quickest way
            self._at, self._begin = milliseconds, begin
        # Fetched in bulk: a system call for each id is a good part of an append.
        if self._used == len(self._digits):
            self._digits, self._used = os.urandom(_BULK).hex(), 0
        digits = self._digits[self._used : self._used + _EACH]
        self._used += _EACH
        return f"{self._begin}{digits[1:4]}-{_VARIANT[digits[4]]}{digits[5:8]}-{digits[8:]}"
