"""One message that is being written: what there is of it, and how the next piece joins it."""

import json
from dataclasses import dataclass

from application.errors import PieceMisplaced
from application.partials.surrogates import has_half, joined, rest_of
from application.ports.session.partials import Key, Piece
from domain.errors import Invalid

_quoted = json.JSONEncoder(ensure_ascii=False).encode
_PARTS = 256


@dataclass(slots=True)
class Mark:
    """A point in a message that is being written."""

    count: int = 0
    length: int = 0


class Partial:
    """A message that is being written.

    Args:
        key: Which one.
        since: The sequence of the session when it began.
        name: The tool that it is the input of.
        own: All of it came through this process.
    """

    __slots__ = ("_parts", "allowed_at", "count", "half", "kept", "key", "length", "name", "own",
                 "since", "size")  # fmt: skip

    def __init__(self, key: Key, since: int, name: str | None = None, *, own: bool = False) -> None:
        self.key = key
        self.since = since
        self.name = name
        self.own = own
        self.count = 0
        self.length = 0
        self.size = 0
        self.half = ""
        self.allowed_at = 0
        """The sequence of the newest state whose rules have accepted a piece of it here."""
        self.kept = Mark()
        self._parts: list[str] = []

    @property
    def mark(self) -> Mark:
        """Where it ends now."""
        return Mark(self.count, self.length)

    def _weight(self, text: str) -> int:
        """Return the bytes that a part of it has in its record.

        Args:
            text: Whole characters; the input of a tool is JSON already, all else becomes a string.
        """
        if self.key.kind == "tool_input":
            return len(text.encode())
        return len(_quoted(text).encode()) - 2

    def fresh(self, text: str, offset: int | None, index: int | None) -> tuple[str, str] | None:
        """Return what a piece adds, and the half of a pair that waits then; None if all is there.

        Args:
            text: Of the piece.
            offset: Where its sender says that it belongs; None is the end.
            index: Which piece it is, if the sender says so.

        Raises:
            PieceMisplaced: There is a gap before it, or something else is there already.
            Invalid: It has half of a surrogate pair without the other half.
        """
        if offset is None or offset == self.length:
            if offset is not None and index is not None and index != self.count:
                if index < self.count and not text:
                    return None
                raise self.misplaced(ahead=index > self.count)
            added = joined(self.half, text)
        elif offset > self.length:
            raise self.misplaced(ahead=True)
        else:
            rest = rest_of(text, self.text(offset), self.half)
            if rest is None:
                raise self.misplaced()
            if not rest:
                return None
            added = joined("", rest)
        if has_half(added[0]):
            raise Invalid(
                "the piece has half of a surrogate pair alone; send it with its other half"
            )
        return added

    def append(self, text: str, half: str = "", count: int = 1) -> None:
        """Add to its end.

        Args:
            text: Whole characters.
            half: The high half of a pair that waits.
            count: How many pieces they are.
        """
        if text:
            self._parts.append(text)
            self.length += len(text)
            self.size += self._weight(text)
        self.half = half
        self.count += count
        if len(self._parts) > _PARTS:
            self._parts = ["".join(self._parts)]

    def join(self, piece: Piece, *, stored: bool = False) -> bool:
        """Add what another process has taken; return False when something before it is missing.

        Args:
            piece: What it has taken.
            stored: It is kept: what is only heard of may be lost with whoever took it.
        """
        if piece.offset > self.length:
            return False
        behind = piece.offset + len(piece.text)
        text = piece.text[self.length - piece.offset :]
        if text or piece.index + piece.count > self.count:
            more = max(piece.index + piece.count - self.count, 0)
            half = piece.half if behind == self.length + len(text) else self.half
            self.append(text, half, more)
            self.own = False
        if stored and piece.offset <= self.kept.length:
            count, length = piece.index + piece.count, behind
            self.kept = Mark(max(self.kept.count, count), max(self.kept.length, length))
        return True

    def text(self, offset: int = 0) -> str:
        """Return what there is after so many code points."""
        missing = self.length - offset
        last: list[str] = []
        for part in reversed(self._parts):
            if missing <= 0:
                break
            last.append(part[-missing:] if missing < len(part) else part)
            missing -= len(part)
        return last[0] if len(last) == 1 else "".join(reversed(last))

    def after(self, mark: Mark) -> Piece:
        """Return all that came after a point, as one piece."""
        return Piece(
            self.key,
            mark.count,
            self.count - mark.count,
            mark.length,
            self.text(mark.length),
            self.since,
            self.name,
            self.half,
        )

    def reset(self, mark: Mark, half: str) -> None:
        """Take back what was added after a point."""
        text = self.text()[: mark.length]
        self._parts = [text] if text else []
        self.count, self.length, self.half = mark.count, mark.length, half
        self.size = self._weight(text)

    def misplaced(self, detail: str | None = None, *, ahead: bool = False) -> PieceMisplaced:
        """Return the refusal of a piece, which says where the message goes on.

        Args:
            detail: What is wrong with it.
            ahead: Something before it is missing.
        """
        if detail is None:
            what = "pieces before it are missing" if ahead else "something else was said there"
            detail = f"{what}; go on from `expected`"
        message = {"type": self.key.type, "message_id": self.key.message_id, "kind": self.key.kind}
        expected = {"index": self.count, "offset": self.length}
        return PieceMisplaced(detail, ahead=ahead, **message, expected=expected)
