"""What is kept of messages that are being written."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol
from uuid import UUID

from application.partials.partial import Piece


class KeptPiece(NamedTuple):
    """A piece, and where it belongs.

    Args:
        session_id: To which session.
        turn_id: To which turn of it.
        piece: The piece.
    """

    session_id: UUID
    turn_id: str
    piece: Piece


class Ending(NamedTuple):
    """Messages are written no more: an event has recorded them, or ended their turn.

    Args:
        session_id: Of which session.
        sequence: The event.
        type: Its type if it recorded one message; None when it ended the turn.
        message_id: That message.
    """

    session_id: UUID
    sequence: int
    type: str | None = None
    message_id: str | None = None


class PartialStore(Protocol):
    """Keeps pieces until their message is recorded: they outlive this program, not the database.

    Nothing here waits for an append, and no append waits for it.
    """

    async def keep(self, pieces: Sequence[KeptPiece]) -> None:
        """Keep pieces of many sessions at once; what is not of the running turn is left out.

        Args:
            pieces: A piece may come again, cut in another way: `read` gives both.

        Raises:
            StoreUnavailable: They may or may not be kept.
        """
        ...

    async def forget(self, endings: Sequence[Ending]) -> None:
        """Forget the messages that began before the events that ended them.

        Args:
            endings: Of many sessions.

        Raises:
            StoreUnavailable: They may or may not be forgotten.
        """
        ...

    async def read(self, session_id: UUID) -> Sequence[KeptPiece]:
        """Return what is kept of a session, by offset and index; it may have ended meanwhile.

        Args:
            session_id: Which one.

        Raises:
            StoreUnavailable: The database did not answer in time.
        """
        ...

    async def sweep(self) -> int:
        """Forget what belongs to turns that run no more, and return how many pieces that were."""
        ...
