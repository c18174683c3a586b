"""What a stream says: from the bytes of Server-Sent Events to events, pieces and marks."""

from dataclasses import dataclass


class Hole(Exception):
    """The server has left out an event, which it promises never to do."""


@dataclass(frozen=True, slots=True)
class Event:
    """One record of the log.

    Args:
        sequence: Its place in the session.
        raw: Exactly as it was sent, in JSON.
    """

    sequence: int
    raw: bytes


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of a message that is still being streamed; it is in no log."""

    raw: bytes


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """Everything up to here has been yielded, and what follows is live."""

    sequence: int


@dataclass(frozen=True, slots=True)
class Lost:
    """The connection has ended; another one follows.

    Args:
        why: In words.
        pause: Seconds until then.
    """

    why: str
    pause: float


@dataclass(frozen=True, slots=True)
class Closed:
    """The session was deleted: nothing will ever follow."""

    sequence: int


Item = Event | Piece | CaughtUp | Lost | Closed


@dataclass(frozen=True, slots=True)
class Frame:
    """One server-sent event.

    Args:
        name: Of its kind.
        data: As it was sent.
        cursor: The sequence to resume on; None for what has none.
    """

    name: str
    data: bytes
    cursor: int | None


class Frames:
    """Takes a stream of server-sent events apart, in bytes: a text may hold any line separator."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, chunk: bytes) -> list[Frame]:
        """Return the frames that are whole."""
        searched = max(len(self._rest) - 1, 0)
        self._rest += chunk
        frames: list[Frame] = []
        while (end := self._rest.find(b"\n\n", searched)) >= 0:
            frame = _frame(bytes(self._rest[:end]))
            del self._rest[: end + 2]
            searched = 0
            if frame is not None:
                frames.append(frame)
        return frames


def _frame(text: bytes) -> Frame | None:
    fields: dict[bytes, bytes] = {}
    for line in text.split(b"\n"):
        name, _, value = line.partition(b":")
        fields[name] = value.removeprefix(b" ")
    if b"data" not in fields:
        return None
    cursor = int(fields[b"id"]) if b"id" in fields else None
    return Frame(fields.get(b"event", b"message").decode(), fields[b"data"], cursor)


def items_of(frame: Frame, cursor: int | None) -> list[Item]:
    """Return what a frame means to somebody who has everything up to a cursor."""
    match frame.name:
        case "partial":
            return [Piece(frame.data)]
        case "caught-up":
            return [CaughtUp(frame.cursor or 0)]
        case "session.closed":
            return [Closed(frame.cursor or 0)]
        case "ping":
            return []
        case _:
            pass
    if frame.cursor is None or (cursor is not None and frame.cursor <= cursor):
        return []
    if cursor is not None and frame.cursor != cursor + 1:
        raise Hole(f"event {frame.cursor} came after {cursor}")
    return [Event(frame.cursor, frame.data)]
