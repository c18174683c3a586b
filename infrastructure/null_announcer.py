"""An announcer for a store that only one process uses."""

from application.ports.session.partials import KeptPiece


class NullAnnouncer:
    """There is no other process to tell anything."""

    others = False

    def announce(self, position: int) -> None:
        """Do nothing."""

    def announce_piece(self, kept: KeptPiece) -> None:
        """Do nothing."""
