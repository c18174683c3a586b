"""The turns of a log, as far as they are open: small, whatever was said in them."""

from collections import deque
from collections.abc import Iterator, Sequence
from hashlib import blake2b

from domain.repair.report import Action, Scope
from domain.repair.rows import Role, Row

_NO_ID = (("dangling_tool_call_missing_id", "a tool call without an id"),)


_ENDED_KEPT = 64
"""The newest turns that have ended, of which every id of a call is kept."""
_MARK = 8


def _mark(call: str) -> bytes:
    return blake2b(call.encode("utf-8", "surrogatepass"), digest_size=_MARK).digest()


class _Turn:
    __slots__ = ("answered", "calls", "has_data", "marks", "terminal")

    def __init__(self) -> None:
        self.has_data = self.terminal = False
        self.calls: dict[str, str] = {}
        self.answered: set[str] = set()
        self.marks = b""
        """Of the calls that were answered, once they were let go of."""

    def let_go(self) -> None:
        """Keep of each call that was answered 8 bytes, and no more its id."""
        closed = self.calls.keys() & self.answered
        self.marks += b"".join(map(_mark, closed))
        self.calls = {call: name for call, name in self.calls.items() if call not in closed}
        self.answered = self.answered - closed

    def actions(self, turn_id: str) -> Iterator[Action]:
        for call in sorted(self.calls.keys() - self.answered, key=str.encode):
            if not self.marks or _mark(call) not in self.marks:
                tool = self.calls[call] or None
                yield Action("append_interrupted_tool_result", turn_id, call, tool)
        if self.has_data and not self.terminal:
            yield Action("append_terminal_error", turn_id)


class Turns:
    """Follows the turns of one log."""

    def __init__(self) -> None:
        self._turns: dict[str, _Turn] = {}
        self._ended: deque[_Turn] = deque()
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
        if turn_id is not None:
            self.take(turn_id, role, row.tool_call_id, row.tool_name)
        return _NO_ID if role == "call" and not row.tool_call_id else ()

    def take(self, turn_id: str, role: Role, tool_call_id: str, tool_name: str) -> None:
        """Take in what an event does to its turn.

        Args:
            turn_id: Its turn.
            role: What it does.
            tool_call_id: Of a call or a result; empty when there is none.
            tool_name: Of a call; empty when it is not known.
        """
        if role == "outside":
            return
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
            if not turn.terminal:
                self._ended.append(turn)
            turn.terminal = True
            if len(self._ended) > _ENDED_KEPT:
                self._ended.popleft().let_go()
        elif role == "call" and tool_call_id:
            turn.calls[tool_call_id] = tool_name or turn.calls.get(tool_call_id, "")
        elif role == "result" and tool_call_id:
            turn.answered.add(tool_call_id)

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
