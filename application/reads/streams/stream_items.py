"""What readers of events get, as a page or item by item, and how long they wait."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from uuid import UUID

from application.fan_out import FanOut
from application.ports.log.events import StoredEvent
from application.ports.session.partials import Piece

READ = 500
"""The most events that a stream reads at once."""
READ_BYTES = 256 * 1024
"""The bytes of records at which that is enough."""
PAGE_BYTES = 1024 * 1024
"""The bytes of records at which a page is full."""
SCANNED = 10_000
"""How much of a log is looked at for one page, whatever the filters let through."""
LOOK_AGAIN = 0.25
"""Seconds until a stream reads again when the database refused at once; others wait there."""


@dataclass(frozen=True, slots=True)
class Page:
    """Events and where to go on.

    Args:
        events: In order.
        next: The cursor for the page after this one.
        head: The newest sequence, or position of the global feed.
        up_to_date: Nothing was beyond this page when it was read.
        closed: Nothing will ever be beyond it.
    """

    events: Sequence[StoredEvent]
    next: int
    head: int
    up_to_date: bool
    closed: bool = False


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """The reader has everything up to here; what follows is live."""

    sequence: int


@dataclass(frozen=True, slots=True)
class Ping:
    """Nothing happened for a while; the cursor moves on to `sequence` under filters too."""

    sequence: int


@dataclass(frozen=True, slots=True)
class PartialText:
    """More of a message that is being written: no sequence, gone when the message is recorded."""

    session_id: UUID
    turn_id: str | None
    piece: Piece


@dataclass(frozen=True, slots=True)
class Closed:
    """The session was deleted: the end."""

    sequence: int


@dataclass(frozen=True, slots=True)
class Closing:
    """The server ends this stream; go on from `sequence` with another one."""

    sequence: int
    reason: str


StreamItem = Sequence[StoredEvent] | CaughtUp | Ping | PartialText | Closed | Closing


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamTiming:
    """How long a stream waits and lasts, in seconds."""

    ping: float = 15.0
    longest: float = 3600.0


class Deadline:
    """A moment some seconds from now.

    Args:
        seconds: Until then.
        clock: Seconds, only forward.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._end = clock() + seconds

    def left(self) -> float:
        """Return the seconds until then; 0 when it has passed."""
        return max(self._end - self._clock(), 0.0)

    @property
    def is_over(self) -> bool:
        """Whether it has passed."""
        return self._clock() >= self._end

    def goodbye(self, fan_out: FanOut) -> str:
        """Why a stream of this age has to end now; empty when it goes on."""
        if fan_out.closing.is_set():
            return "server_shutdown"
        return "" if self.left() else "maximum_age"
