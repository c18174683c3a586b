"""Time and new ids from the operating system."""

import os
import time
from datetime import UTC, datetime
from uuid import UUID

_TIMESTAMP_SHIFT = 80
_VERSION_7 = 0x7 << 76
_VARIANT = 0x2 << 62
_EACH = 10
_BULK = 400 * _EACH
_RANDOM = (0xFFF << 64) | ((1 << 62) - 1)


class SystemClock:
    """The real clock."""

    def __init__(self) -> None:
        self._random = b""
        self._used = 0

    def now(self) -> datetime:
        """Return the time, UTC, to the microsecond."""
        return datetime.now(UTC)

    def milliseconds(self) -> int:
        """Return the time since 1970."""
        return time.time_ns() // 1_000_000

    def new_id(self) -> UUID:
        """Return a UUIDv7: 48 bits of milliseconds, then 74 random bits (RFC 9562, 5.7)."""
        return UUID(int=self._number())

    def new_name(self) -> str:
        """Return such an id as text."""
        digits = f"{self._number():032x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"

    def _number(self) -> int:
        milliseconds = self.milliseconds()
        # Fetched in bulk: a system call for each id is a good part of an append.
        if self._used == len(self._random):
            self._random, self._used = os.urandom(_BULK), 0
        self._used += _EACH
        random = int.from_bytes(self._random[self._used - _EACH : self._used]) & _RANDOM
        return milliseconds << _TIMESTAMP_SHIFT | _VERSION_7 | _VARIANT | random
