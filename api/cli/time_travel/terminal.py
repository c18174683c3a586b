"""A terminal of which a program has the whole screen, and every key at once."""

import os
import re
import select
import signal
import sys
import termios
import tty
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Self

_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
_NAMES = {
    b"\x1b[A": "up", b"\x1b[B": "down", b"\x1b[C": "right", b"\x1b[D": "left",
    b"\x1bOA": "up", b"\x1bOB": "down", b"\x1bOC": "right", b"\x1bOD": "left",
    b"\x1b[H": "home", b"\x1b[F": "end", b"\x1bOH": "home", b"\x1bOF": "end",
    b"\x1b[1~": "home", b"\x1b[4~": "end", b"\x1b[5~": "up", b"\x1b[6~": "down",
    b"\r": "enter", b"\n": "enter", b"\x7f": "backspace", b"\x08": "backspace", b"\x1b": "escape",
}  # fmt: skip
_KEY = re.compile(rb"\x1b[\[O][0-9;]*[A-Za-z~]|.", re.DOTALL)
_DISABLED = b"\0"
"""What no key stands for: `_POSIX_VDISABLE` of Linux and the BSDs."""


class Terminal:
    """The terminal of this process, given back as it was when the context ends."""

    def __enter__(self) -> Self:
        self._input = sys.stdin.fileno()
        self._before = termios.tcgetattr(self._input)
        tty.setcbreak(self._input)
        mode = termios.tcgetattr(self._input)
        # Suspended, it would leave its screen behind for the shell.
        mode[6][termios.VSUSP] = _DISABLED
        termios.tcsetattr(self._input, termios.TCSANOW, mode)
        self._ended_before = signal.signal(signal.SIGTERM, _end)
        self._write(_ENTER)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        signal.signal(signal.SIGTERM, self._ended_before)
        self._write(_LEAVE)
        termios.tcsetattr(self._input, termios.TCSADRAIN, self._before)

    @property
    def size(self) -> tuple[int, int]:
        """Its columns and lines, each at least what a replay needs."""
        # Asked of the terminal itself: variables of the environment may tell of another one.
        columns, lines = os.get_terminal_size(self._input)
        return max(columns, 20), max(lines, 2)

    def draw(self, lines: Sequence[str], status: str) -> None:
        """Fill the screen.

        Args:
            lines: At most one fewer than it has, none too wide for it.
            status: The last line, shown reversed.
        """
        _, height = self.size
        body = "".join(f"{line}\x1b[K\r\n" for line in lines)
        space = "\x1b[K\r\n" * (height - 1 - len(lines))
        self._write(f"\x1b[H{body}{space}\x1b[7m{status}\x1b[0m\x1b[K")

    def keys(self, seconds: float | None) -> Iterator[str]:
        """Yield the keys that were pressed, as soon as there is one.

        Args:
            seconds: The longest to wait for one; None waits for ever.

        Raises:
            EOFError: The terminal is gone.
        """
        ready, _, _ = select.select([self._input], [], [], seconds)
        if not ready:
            return
        typed = os.read(self._input, 1024)
        if not typed:
            raise EOFError
        yield from keys_in(typed)

    def _write(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()


def _end(number: int, _: object) -> None:
    sys.exit(128 + number)


def keys_in(typed: bytes) -> Iterator[str]:
    """Yield the names of the keys that a terminal sends so; a character is its own name.

    Args:
        typed: What came from the terminal.
    """
    for key in _KEY.findall(typed):
        yield _NAMES.get(key) or key.decode("ascii", "replace")
