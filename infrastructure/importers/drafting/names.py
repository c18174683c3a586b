"""The ids of turns and messages in a draft: the log takes each once, and sources repeat them."""

from application.transfer.foreign import Tally


class UsedNames:
    """Gives each turn and each message an id of its own.

    Args:
        tally: Where a repeated id is counted.
    """

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._turns: set[str] = set()
        self._messages: set[str] = set()
        self._said_in: dict[str, str | None] = {}
        self._renamed: dict[tuple[str, str | None], str] = {}

    @property
    def turns(self) -> int:
        """How many turns have an id."""
        return len(self._turns)

    def turn(self, wanted: str) -> str:
        """Return an id for a turn: the wanted one, or one that begins with it."""
        return self._unused(self._turns, wanted)

    def message(self, wanted: str) -> str:
        """Return an id for a message: the wanted one, or one that begins with it."""
        return self._unused(self._messages, wanted)

    def said_as(self, message_id: str | None, turn_id: str | None) -> str | None:
        """Return the id of what the agent says: pieces of one turn share it, and nothing else.

        Args:
            message_id: As the source has it; None where it has none.
            turn_id: The turn that runs.
        """
        if message_id is None:
            return None
        is_free = message_id not in self._messages
        if is_free and self._said_in.setdefault(message_id, turn_id) == turn_id:
            return message_id
        place = (message_id, turn_id)
        if place not in self._renamed:
            self._renamed[place] = self._unused(self._messages, message_id)
        return self._renamed[place]

    def _unused(self, used: set[str], wanted: str) -> str:
        name, number = wanted, 1
        while name in used or (used is self._messages and name in self._said_in):
            number += 1
            name = f"{wanted[:180]}~{number}"
        if number > 1:
            self._tally.notes["repeated_id"] += 1
        used.add(name)
        return name
