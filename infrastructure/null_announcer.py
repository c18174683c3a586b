"""An announcer for a store that only one process uses."""

from uuid import UUID

from application.partials import Partial


class NullAnnouncer:
    """There is no other process to tell anything."""

    def announce(self, position: int) -> None:
        """Do nothing."""

    def announce_piece(self, session_id: UUID, piece: Partial) -> None:
        """Do nothing."""
