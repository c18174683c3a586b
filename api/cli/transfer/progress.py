"""How far an export or an import has come, on a terminal; elsewhere nothing is said."""

import sys
from time import monotonic

_EVERY = 0.1
_WIDTH = 20


class Progress:
    """Draws one line, over and over."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()
        self._next = 0.0

    def show(self, logs: int, detail: str, part: float | None = None) -> None:
        """Draw how far it has come.

        Args:
            logs: That are done.
            detail: What else is known, such as `1,000 events`.
            part: Of the whole, 0 to 1; None when nobody knows the whole.
        """
        if not self._shown or monotonic() < self._next:
            return
        self._next = monotonic() + _EVERY
        filled = logs % _WIDTH if part is None else round(part * _WIDTH)
        said = f"[{'#' * filled:<{_WIDTH}}] {logs:,} logs, {detail}"
        print(f"\r\x1b[K{said}", end="", file=sys.stderr, flush=True)

    def wipe(self) -> None:
        """Make room for a line."""
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
