"""A bar on a terminal that says how much is done; elsewhere it says nothing."""

import sys

_WIDTH = 30


def is_shown() -> bool:
    """Return whether anybody sees a bar."""
    return sys.stderr.isatty()


class Bar:
    """Says how many of something are done, on one line that it writes again and again.

    Args:
        what: Their name in the plural.
        expected: How many there are, as far as is known.
    """

    def __init__(self, what: str, expected: int) -> None:
        self._shown = is_shown()
        self._what = what
        self._expected = expected

    def show(self, done: int, more: str = "") -> None:
        """Say how many are done.

        Args:
            done: How many; more than were expected when some came meanwhile.
            more: What else there is to say.
        """
        if not self._shown:
            return
        expected = max(self._expected, done)
        bar = "#" * round(done / max(expected, 1) * _WIDTH)
        said = f"\r[{bar:<{_WIDTH}}] {done:,} of {expected:,} {self._what}{more}"
        print(said, end="", file=sys.stderr, flush=True)

    def wipe(self) -> None:
        """Make room for a line."""
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leave it where it is, and begin a line of its own."""
        if self._shown:
            print(file=sys.stderr)
