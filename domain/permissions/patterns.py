"""Globs for tool calls: `shell:cmd=ls*:cwd=/home/*`, matched in time that rules cannot blow up.

A pattern is cut at its stars. The pieces are looked for one after the other, each at the first
place behind the last one, which is enough because a star takes anything; so there is no
backtracking, however many stars there are.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

MAX_PATTERN = 500
MAX_TEXT = 65_536
MAX_WILD = 16
MAX_SOUGHT = 64
MAX_ARGUMENTS = 8

_SPECIAL = {"*": "[*]", "?": "[?]", "[": "[[]", "\\": "[\\]", ":": "\\:", "=": "\\="}


@dataclass(frozen=True, slots=True)
class Segment:
    """What stands between two stars: plain text, or an expression of fixed length for it."""

    length: int
    plain: str
    expression: re.Pattern[str] | None

    def is_at(self, text: str, at: int) -> bool:
        """Return whether the piece is at this place of a text."""
        if self.expression is None:
            return text.startswith(self.plain, at)
        return self.expression.match(text, at) is not None

    def find(self, text: str, start: int, end: int) -> int:
        """Return the first place in a part of a text, or -1."""
        if self.expression is None:
            return text.find(self.plain, start, end)
        found = self.expression.search(text, start, end)
        return -1 if found is None else found.start()


@dataclass(frozen=True, slots=True)
class Glob:
    """A glob, cut at its stars; of one piece when it has none."""

    pieces: tuple[Segment, ...]

    @property
    def sought(self) -> int:
        """The length of the longest piece that must be sought at each place of a text in turn."""
        return max((p.length for p in self.pieces[1:-1] if p.expression is not None), default=0)

    @property
    def is_cheap(self) -> bool:
        """Whether only the ends of a text are looked at."""
        return len(self.pieces) <= 2

    @property
    def effort(self) -> int:
        """How often each place of a text may have to be looked at; 0 when only its ends are."""
        between = self.pieces[1:-1]
        return max((1 if p.expression is None else p.length for p in between), default=0)

    def matches(self, text: str) -> bool:
        """Return whether it matches the whole text."""
        pieces = self.pieces
        first = pieces[0]
        if not first.is_at(text, 0):
            return False
        if len(pieces) == 1:
            return len(text) == first.length
        *others, last = pieces[1:]
        end = len(text) - last.length
        at = first.length
        for piece in others:
            found = piece.find(text, at, len(text))
            if found < 0:
                return False
            at = found + piece.length
        return at <= end and last.is_at(text, end)


@dataclass(frozen=True, slots=True)
class Pattern:
    """A glob for the name of a tool, and for arguments by name; all of them must match."""

    tool: Glob
    arguments: tuple[tuple[str, Glob], ...]

    @property
    def slow(self) -> int:
        """How many globs have a `?` or `[...]` between two stars, which take time in long texts."""
        return sum(glob.sought > 0 for glob in (self.tool, *(glob for _, glob in self.arguments)))


def literal(text: str) -> str:
    """Return the pattern that matches the tool of exactly this name, whatever its arguments.

    Args:
        text: Not empty; a special character, and a blank at an end, becomes up to three.
    """
    ends = (0, len(text) - 1)
    return "".join(
        f"[{character}]"
        if at in ends and character.isspace()
        else _SPECIAL.get(character, character)
        for at, character in enumerate(text)
    )


@lru_cache(maxsize=4096)
def parse(text: str) -> Pattern:
    """Return what a pattern means.

    Args:
        text: 1 to 500 characters.

    Raises:
        ValueError: It cannot be parsed or can match nothing; says why, to be put behind a name.
    """
    if len(text) > MAX_PATTERN:
        raise ValueError(f"has {len(text)} characters; at most {MAX_PATTERN}")
    tool, *arguments = _cut(text, ":")
    if len(_cut(tool, "=")) > 1:
        raise ValueError(r"has a = in the name of the tool; write \= for the character itself")
    _require_word(tool, "name of a tool")
    if len(arguments) > MAX_ARGUMENTS:
        raise ValueError(f"has {len(arguments)} arguments; at most {MAX_ARGUMENTS}")
    return Pattern(_glob(tool), tuple(_argument(part) for part in arguments))


def _argument(text: str) -> tuple[str, Glob]:
    name, *value = _cut(text, "=")
    if not value:
        raise ValueError(
            r"must have name=glob behind each colon; write \: for the character itself"
        )
    _require_word(name, "name of an argument")
    return _plain(name), _glob("=".join(value))


def _require_word(text: str, what: str) -> None:
    if not text or text != text.strip():
        raise ValueError(f"has an empty {what}, or one with blanks around it")


def _cut(text: str, separator: str) -> list[str]:
    r"""Cut at a separator, unless a backslash stands before it; backslashes stay."""
    return re.split(rf"(?<!\\){separator}", text)


def _plain(text: str) -> str:
    return re.sub(r"\\([:=])", r"\1", text)


def _glob(escaped: str) -> Glob:
    text = _plain(escaped)
    pieces: list[Segment] = []
    at = wild = 0
    while True:
        plain, expression, length, special = "", "", 0, False
        while at < len(text) and text[at] != "*":
            character = text[at]
            at += 1
            length += 1
            if character == "[":
                members, end = _class(text, at)
                if end == at + 2:  # a class of one is how a special character is written
                    character, at = text[at], end
                    plain += character
                    expression += re.escape(character)
                    continue
                expression, at = expression + members, end
            elif character == "?":
                expression += "."
            else:
                plain += character
                expression += re.escape(character)
                continue
            special = True
            wild += 1
        compiled = re.compile(expression, re.DOTALL) if special else None
        pieces.append(Segment(length, plain, compiled))
        if at == len(text):
            break
        at += 1
        wild += 1
    if wild > MAX_WILD:
        raise ValueError(f"has a glob with {wild} of *, ? and [...]; at most {MAX_WILD}")
    glob = Glob(tuple(pieces))
    if glob.sought > MAX_SOUGHT:
        why = f"has {glob.sought} characters with a ? or [...] between two stars"
        raise ValueError(f"{why}; at most {MAX_SOUGHT}")
    return glob


def _class(text: str, start: int) -> tuple[str, int]:
    """Return the expression for the class that begins behind a bracket, and where it ends."""
    negated = text.startswith("!", start)
    first = start + negated
    end = text.find("]", first + 1)
    if end < 0:
        raise ValueError("has a [ without its ]; write [[] for the character itself")
    members, at = "", first
    while at < end:
        low, high = text[at], text[at]
        if text[at + 1] == "-" and at + 2 < end:
            high = text[at + 2]
            if low > high:
                raise ValueError(f"has the range {low}-{high}, which holds nothing")
            at += 2
        at += 1
        members += f"{re.escape(low)}-{re.escape(high)}"
    return f"[{'^' * negated}{members}]", end + 1
