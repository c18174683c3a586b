"""Where a replay is, and what each key does to it; no clock, no screen and no server."""

from application.reads.streams.pace import FASTEST, SLOWEST

JUMP = 10
"""Events, how far the keys up and down go."""
_DIGITS = 15
_MOVES = {"right": 1, "left": -1, "down": JUMP, "up": -JUMP}
_STEPS = ("left", "right")


class Player:
    """A replay of a log that was so long when it began.

    Args:
        head: The sequence of the last event, at least 1.
        at: The sequence that is shown first.
        speed: How many times faster than it was recorded.
    """

    def __init__(self, head: int, at: int, speed: float) -> None:
        self.head = head
        self.at = at
        self.speed = speed
        self.plays = at < head
        self.typed = ""
        """The digits so far of the sequence to go to."""
        self.has_quit = False

    def advance(self) -> None:
        """Go on to the next event; the last one ends the play."""
        self._go(self.at + 1)

    def press(self, key: str) -> None:
        """Do what a key asks for; a key that means nothing changes nothing.

        Args:
            key: A character, or the name of a key.
        """
        typed, self.typed = self.typed, ""
        if key in _MOVES:
            self.plays = self.plays and key not in _STEPS
            self._go(self.at + _MOVES[key])
        elif key in ("home", "end"):
            self._go(1 if key == "home" else self.head)
        elif key == " ":
            self.plays = not self.plays and self.at < self.head
        elif key in ("+", "-"):
            faster = self.speed * (2 if key == "+" else 0.5)
            self.speed = min(max(faster, SLOWEST), FASTEST)
        elif key.isascii() and key.isdigit():
            self.typed = (typed + key)[:_DIGITS]
        elif key == "backspace":
            self.typed = typed[:-1]
        elif key == "enter" and typed:
            self._go(int(typed))
        elif key in ("q", "escape"):
            self.has_quit = True

    def _go(self, to: int) -> None:
        self.at = min(max(to, 1), self.head)
        self.plays = self.plays and self.at < self.head
