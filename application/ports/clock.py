"""Time and new ids."""

from datetime import datetime
from typing import Protocol
from uuid import UUID


class Clock(Protocol):
    """Time and new ids."""

    def now(self) -> datetime:
        """Return the time, UTC."""
        ...

    def new_id(self) -> UUID:
        """Return a new UUIDv7."""
        ...

    def new_name(self) -> str:
        """Return a new UUIDv7 as text, for what is only written down: making a UUID costs more."""
        ...
