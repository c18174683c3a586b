"""Past states of sessions in memory, so that moments near each other are not folded far."""

from bisect import bisect_right, insort
from collections import OrderedDict
from uuid import UUID

from application.commands.states.loaded import Loaded
from application.memory_budget import Share

EVERY = 256
"""How many events lie between two of them."""
_MOST_SESSIONS = 16


class _Session:
    """The past states of one session."""

    def __init__(self) -> None:
        self.sequences: list[int] = []
        self.states: dict[int, Loaded] = {}
        self.memory = 0


class PastStates:
    """Keeps states of the sessions whose past was read last.

    Args:
        share: The memory for states, of all kinds; what is here goes first.
    """

    def __init__(self, share: Share) -> None:
        self._share = share
        self._sessions: OrderedDict[UUID, _Session] = OrderedDict()

    def near(self, session_id: UUID, sequence: int) -> Loaded | None:
        """Return the newest state that is kept of a session at a sequence or before it.

        Args:
            session_id: Which.
            sequence: The last event that may count.
        """
        session = self._sessions.get(session_id)
        if session is None:
            return None
        self._sessions.move_to_end(session_id)
        place = bisect_right(session.sequences, sequence)
        return session.states[session.sequences[place - 1]] if place else None

    def keep(self, session_id: UUID, loaded: "Loaded") -> None:
        """Keep a state.

        Args:
            session_id: Whose.
            loaded: The state, weighed.
        """
        session = self._sessions.setdefault(session_id, _Session())
        sequence = loaded.session.sequence
        if sequence in session.states:
            return
        session.states[sequence], memory = loaded, loaded.memory
        insort(session.sequences, sequence)
        session.memory += memory
        self._share.count(memory)
        self._sessions.move_to_end(session_id)
        if len(self._sessions) > _MOST_SESSIONS:
            self.forget(next(iter(self._sessions)))
        self.make_room()

    def make_room(self) -> None:
        """Drop states until there is room for newer ones, or none is left."""
        while self._sessions and self._share.is_over:
            self.forget(next(iter(self._sessions)))

    def forget(self, session_id: UUID) -> None:
        """Drop the past states of a session.

        Args:
            session_id: Whose.
        """
        session = self._sessions.pop(session_id, None)
        if session is not None:
            self._share.count(-session.memory)
