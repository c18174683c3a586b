"""Other processes that wait for news."""

from typing import Protocol
from uuid import UUID

from application.partials import Partial


class Announcer(Protocol):
    """Tells other processes that the log has grown."""

    def announce(self, position: int) -> None:
        """Say that the log has reached a position; returns at once."""
        ...

    def announce_piece(self, session_id: UUID, piece: Partial) -> None:
        """Pass a piece of a message that is still being streamed; returns at once, may be lost."""
        ...
