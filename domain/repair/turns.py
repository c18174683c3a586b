"""The turns of a log, as far as they are open: small, whatever was said in them."""

from collections.abc import Iterator, Sequence

from domain.repair.report import Action, Scope
from domain.repair.rows import Role, Row

_NO_ID = (("dangling_tool_call_missing_id", "a tool call without an id"),)


class _Turn:
    __slots__ = ("answered", "calls", "has_data", "terminal")

    def __init__(self) -> None:
        self.has_data = self.terminal = False
        self.calls: dict[str, str] = {}
        self.answered: set[str] = set()

    def actions(self, turn_id: str) -> Iterator[Action]:
        for call in sorted(self.calls.keys() - self.answered, key=str.encode):
            yield Action("append_interrupted_tool_result", turn_id, call, self.calls[call] or None)
        if self.has_data and not self.terminal:
            yield Action("append_terminal_error", turn_id)


class Turns:
    """Follows the turns of one log."""

    def __init__(self) -> None:
        self._turns: dict[str, _Turn] = {}
        self._asked: str | None = None
        self._last: str | None = None

    @property
    def final(self) -> str | None:
        """The turn that was asked for last; of a log without input, the one of its last row."""
        return self._asked or self._last

    @property
    def final_has_ended(self) -> bool:
        """Whether that turn has its end."""
        return self.final is not None and self._turns[self.final].terminal

    def follow(self, row: Row) -> Sequence[tuple[str, str]]:
        """Take a row in, and return the code and detail of a call that nobody can answer.

        Args:
            row: The next one, readable.
        """
        role, turn_id = row.role, row.turn_id
        if role != "outside" and turn_id is not None:
            self._take(row, role, turn_id)
        return _NO_ID if role == "call" and not row.tool_call_id else ()

    def _take(self, row: Row, role: Role, turn_id: str) -> None:
        turn = self._turns.get(turn_id)
        if turn is None:
            turn = self._turns[turn_id] = _Turn()
        self._last = turn_id
        if role == "passive":
            return
        turn.has_data = True
        if role == "input":
            self._asked = turn_id
        elif role == "terminal":
            turn.terminal = True
        elif role == "call" and row.tool_call_id:
            turn.calls[row.tool_call_id] = row.tool_name or turn.calls.get(row.tool_call_id, "")
        elif role == "result" and row.tool_call_id:
            turn.answered.add(row.tool_call_id)

    def plan(self, scope: Scope) -> Iterator[Action]:
        """Give what closes what is open: of earlier turns first, each in order of its calls' ids.

        Args:
            scope: Which turns.
        """
        final = self.final
        if scope == "all":
            for turn_id, turn in self._turns.items():
                if turn_id != final:
                    yield from turn.actions(turn_id)
        if final is not None:
            yield from self._turns[final].actions(final)
