"""How long a request has been kept waiting: all of its waits share one patience.

Three statements of two seconds each are six seconds to whoever asked. What is answered promptly is
progress and does not count, so that a long log may be read page by page.
"""

from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar, Token
from time import monotonic

PROMPT = 0.5
"""Seconds within which an answer comes that is progress."""


class Waited:
    """The waits of one request: `with waited:` is one of them; those at one time count once.

    Args:
        seconds: How long it has waited before.
    """

    __slots__ = ("_many", "_since", "is_over", "seconds")

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        """How long it has waited."""
        self._many = 0
        self._since = 0.0
        self.is_over = False
        """Whether the request has ended: what outlives it, such as work that others wait for too,
        starts afresh, and no wait of that counts."""

    def __enter__(self) -> None:
        if not self._many:
            self._since = monotonic()
        self._many += 1

    def __exit__(self, *_: object) -> None:
        self._many -= 1
        if not self._many:
            took = monotonic() - self._since
            if took >= PROMPT and not self.is_over:
                self.seconds += took


_waited: ContextVar[Waited | None] = ContextVar("waited", default=None)
_NOBODY = nullcontext()


class SharedPatience:
    """While it is entered, all waits count as those of one request, in the tasks made in it too.

    Args:
        waited: The waits; None has each wait have the whole patience: nobody waits for the end, or
            it may take minutes.
    """

    __slots__ = ("_token", "_waited")

    def __init__(self, waited: Waited | None) -> None:
        self._waited = waited

    def __enter__(self) -> None:
        self._token: Token[Waited | None] = _waited.set(self._waited)

    def __exit__(self, *_: object) -> None:
        _waited.reset(self._token)
        if self._waited is not None:
            self._waited.is_over, self._waited.seconds = True, 0.0


def waiting() -> AbstractContextManager[None]:
    """Return what counts as a wait of this request while it is entered."""
    return _waited.get() or _NOBODY


def waited() -> float:
    """Return how many seconds this request has waited; 0 outside of one."""
    so_far = _waited.get()
    return 0.0 if so_far is None else so_far.seconds


def left_of(patience: float) -> float:
    """Return how many seconds this request may still wait.

    Args:
        patience: Seconds that it may wait in all.
    """
    return max(patience - waited(), 0.0)


def is_waited_for() -> bool:
    """Return whether this is done for a request whose waits share a patience."""
    return _waited.get() is not None
