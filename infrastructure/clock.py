"""Time and new ids from the operating system."""

import os
import time
from datetime import UTC, datetime
from uuid import UUID

_TIMESTAMP_SHIFT = 80
_VERSION_7 = 0x7 << 76
_VARIANT = 0x2 << 62
_RANDOM = (0xFFF << 64) | ((1 << 62) - 1)


class SystemClock:
    """The real clock."""

    def now(self) -> datetime:
        """Return the time, UTC, to the microsecond."""
        return datetime.now(UTC)

    def new_id(self) -> UUID:
        """Return a UUIDv7: 48 bits of milliseconds, then 74 random bits (RFC 9562, 5.7)."""
        milliseconds = time.time_ns() // 1_000_000
        random = int.from_bytes(os.urandom(10)) & _RANDOM
        return UUID(int=milliseconds << _TIMESTAMP_SHIFT | _VERSION_7 | _VARIANT | random)
