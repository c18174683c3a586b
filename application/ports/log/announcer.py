"""Other processes that wait for news."""

from typing import Protocol

from application.ports.session.partials import KeptPiece


class Announcer(Protocol):
    """Tells other processes that the log has grown."""

    @property
    def others(self) -> bool:
        """Whether there may be other processes."""
        ...

    def announce(self, position: int) -> None:
        """Say that the log has reached a position; returns at once."""
        ...

    def announce_piece(self, kept: KeptPiece) -> None:
        """Pass on a piece of a message that is being written; returns at once, may be lost."""
        ...
