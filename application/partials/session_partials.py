"""All that is being written in one session, as far as this process knows."""

import json
from uuid import UUID

from application.partials.partial import Partial
from application.ports.session.partials import Ending, KeptPiece, Key

RECORDING = {
    "agent.message": "message_id",
    "agent.thought": "message_id",
    "tool.called": "tool_call_id",
}
"""The events that record what was written, and the field with its id."""
TURN_ENDS = frozenset({"turn.completed", "turn.failed", "turn.cancelled"})

_EARLY = 64
_TRIES = 10


class SessionPartials:
    """The messages that are being written in a session.

    Args:
        session_id: Which one.
    """

    __slots__ = ("checked", "early", "ended", "joined", "look_at", "messages",
                 "session_id", "tries", "turn_id", "unkept", "users", "written")  # fmt: skip

    def __init__(self, session_id: UUID) -> None:
        self.session_id = session_id
        self.turn_id: str | None = None
        self.messages: dict[Key, Partial] = {}
        self.ended: dict[tuple[str, str], int] = {}
        self.checked = 0
        """The sequence up to which no event is left out that ends a message."""
        self.joined = False
        """What is kept was read: since then this process has heard of every piece."""
        self.look_at: float | None = None
        """When to read what is kept, by the monotonic clock."""
        self.early: list[KeptPiece] = []
        self.tries = 0
        self.users = 0
        """Who follows it, or writes to it, at this moment."""
        self.written = False
        """Its turn was written to through this process."""
        self.unkept = False
        """Some of it is not kept yet."""

    @property
    def size(self) -> int:
        """Bytes of all that is written."""
        early = sum(len(one.piece.text) for one in self.early)
        return sum(partial.size for partial in self.messages.values()) + early

    def live(self) -> list[Partial]:
        """Return what is being written, in the order in which it began."""
        return list(self.messages.values())

    def allows(self, key: Key, turn_id: str, sequence: int) -> bool:
        """Return whether a state was asked for a message already, and has let it in.

        Args:
            key: Which message.
            turn_id: Of which turn.
            sequence: Of the state.
        """
        partial = self.messages.get(key) if turn_id == self.turn_id else None
        return partial is not None and partial.allowed_at == sequence

    def run(self, turn_id: str | None) -> None:
        """Note which turn runs: what belongs to another one is written no more."""
        if turn_id != self.turn_id:
            self.turn_id = turn_id
            self.messages.clear()
            self.ended.clear()

    def end(self, ending: Ending) -> bool:
        """Note that something is written no more, and return whether something was."""
        if ending.type is None or ending.message_id is None:
            over = [key for key, one in self.messages.items() if one.since < ending.sequence]
            self.turn_id, self.written = None, False
        else:
            what = (ending.type, ending.message_id)
            self.ended[what] = max(self.ended.get(what, 0), ending.sequence)
            over = [
                key
                for key, one in self.messages.items()
                if key[:2] == what and one.since < ending.sequence
            ]
        for key in over:
            del self.messages[key]
        return bool(over)

    def join(self, kept: KeptPiece, *, verified: bool = False, stored: bool = False) -> bool:
        """Take what another process has taken, or what was kept; return False if it comes early.

        Args:
            kept: The piece.
            verified: What has ended since its message began is known.
            stored: It was read where pieces are kept.
        """
        piece = kept.piece
        if kept.turn_id != self.turn_id:
            # Of a turn that is over, or of one that this process has not heard of.
            return piece.since <= self.checked
        if piece.since < self.ended.get(piece.key[:2], 0):
            return True
        partial = self.messages.get(piece.key)
        if partial is not None and partial.since > piece.since:
            return True
        if piece.since > self.checked:
            return False
        if partial is None:
            if piece.offset or not (verified or piece.since == self.checked):
                return False
            partial = self.messages[piece.key] = Partial(piece.key, piece.since, piece.name)
        return partial.join(piece, stored=stored)

    def put_off(self, kept: KeptPiece) -> None:
        """Keep a piece until what is before it is known."""
        if len(self.early) < _EARLY:
            self.early.append(kept)

    def catch_up(self) -> None:
        """Take what came early, as far as what is before it is known now."""
        early = sorted(self.early, key=lambda one: (one.piece.since, one.piece.offset))
        self.early = [one for one in early if not self.join(one, verified=True)]
        self.tries = self.tries + 1 if self.early else 0
        if self.tries > _TRIES:
            # What is before it was lost with its process; its sender is told to send it again.
            self.early, self.tries = [], 0


def ending_of(
    session_id: UUID, sequence: int, kind: str, record: bytes, turn_id: str | None
) -> Ending | None:
    """Return what an event ends of what is being written; None for nothing.

    Args:
        session_id: Whose event.
        sequence: The event.
        kind: Its type.
        record: Its record.
        turn_id: The running turn, whose id stands for a message without one.
    """
    if kind in TURN_ENDS:
        return Ending(session_id, sequence)
    if kind not in RECORDING:
        return None
    named = json.loads(record)["data"].get(RECORDING[kind]) or turn_id
    return Ending(session_id, sequence, kind, named)
