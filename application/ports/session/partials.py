"""What is kept of messages that are being written."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol
from uuid import UUID

Kind = Literal["text", "reasoning", "tool_input"]


class Key(NamedTuple):
    """Which of the messages that are being written.

    Args:
        type: The type of the event that will record it.
        message_id: Its id: that of the call for the input of a tool; that of the turn for a message
            to which its sender gives none.
        kind: What is written of it.
    """

    type: str
    message_id: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a message, or several in a row.

    Args:
        key: Of which message.
        index: How many pieces are before it.
        count: How many pieces it is.
        offset: How many code points are before it.
        text: What it adds.
        since: The sequence of the session when the message began.
        name: The tool that it is the input of.
        half: The high half of a surrogate pair that waits for the next piece, or nothing.
    """

    key: Key
    index: int
    count: int
    offset: int
    text: str
    since: int
    name: str | None = None
    half: str = ""


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
