"""What a run of the fault harness records: one JSON object a line, each with its real time.

Times are seconds of the monotonic clock since the run began; `Start` says what that was by the
clock on the wall. Everything that a check needs is in these records, so a run can be judged again.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import msgspec

WHOLE_LOG = "*"
"""The log of a reader that follows all sessions."""

LOST, GIVEN_UP = "lost", "given up"
FOR_EVER = float("inf")


class Record(msgspec.Struct, kw_only=True, tag_field="what", tag=str.lower, omit_defaults=True):
    """One thing that happened."""


class Start(Record):
    """A run began.

    Args:
        seed: Of everything that was drawn.
        wall: Seconds since 1970.
        patience: Seconds within which the servers answer.
        budget: Bytes of memory that one server process may take.
        broken: How the servers were broken on purpose; empty when they were not.
    """

    seed: int
    wall: float
    patience: float
    budget: int
    broken: str = ""


class Asked(Record, kw_only=True):
    """Something was asked for, whether or not an answer came.

    Args:
        session: Which; empty when a command begins one and no answer came.
        called: When it was sent.
        returned: When the answer was there, the connection lost, or the wait given up.
        status: Of the answer; 0 when there was none.
        code: Of a problem; `LOST` or `GIVEN_UP` when there was no answer.
        worker: Who answered; 0 when nobody did.
        asked: Who had answered before on this connection; 0 when it was a new one.
        direct: It did not pass through the relay of the clients.
    """

    session: str
    called: float
    returned: float
    status: int = 0
    code: str = ""
    worker: int = 0
    asked: int = 0
    direct: bool = True


class Attempt(Asked, kw_only=True):
    """A command was sent once.

    Args:
        key: Its idempotency key.
        kind: What it does.
        sequence: In the answer.
        position: In the answer.
        events: How many it appends.
        or_more: Or more than that.
        may_be_so: It may be accepted without an event, because what it asks for is so already.
        after: The sequence that it asks for with `If-Match`; None when it does not.
    """

    key: str
    kind: str
    sequence: int = 0
    position: int = 0
    events: int = 1
    or_more: bool = False
    may_be_so: bool = False
    after: int | None = None

    @property
    def is_accepted(self) -> bool:
        """Whether the answer says that it is done."""
        return 200 <= self.status < 300


class Read(Record):
    """A session was read once, and answered.

    Args:
        session: Which.
        way: `page`, `row` or `snapshot`.
        called: When it was asked for.
        returned: When the answer was there.
        head: The newest sequence that the answer knows of.
        since: The cursor of a page.
        events: Sequence and id of each event of a page.
        title: Of a row.
        status: Of a row.
        starred: Of a row.
        worker: Who answered.
    """

    session: str
    way: str
    called: float
    returned: float
    head: int
    since: int = 0
    events: list[tuple[int, str]] = []
    title: str | None = None
    status: str = ""
    starred: bool = False
    worker: int = 0


class Look(Asked, kw_only=True):
    """Something was asked for that changes nothing: a session, or `WHOLE_LOG` for all of them.

    Args:
        way: As of `Read`; `follow` is the head of a stream.
    """

    way: str


class Seen(Record):
    """A reader that follows a log was given an event.

    Args:
        reader: Its name.
        log: A session, or the whole log.
        at: When.
        number: The sequence, or the position in the whole log.
        id: Of the event.
    """

    reader: str
    log: str
    at: float
    number: int
    id: str


class Following(Record):
    """A reader began to follow a log, with nothing before `after`."""

    reader: str
    log: str
    at: float
    after: int


class FollowedTo(Record):
    """The readers of a log were ended when it had come to `head`; timers may still append."""

    log: str
    head: int


class Ready(Record):
    """`/ready` was asked.

    Args:
        worker: Who answered; 0 when nobody did.
        called: When.
        returned: When the answer was there, or was given up.
        status: 0 when nobody answered.
        reasons: Why it is not ready.
    """

    worker: int
    called: float
    returned: float
    status: int
    reasons: list[str] = []


class Memory(Record):
    """A server process held so many bytes."""

    worker: int
    at: float
    bytes: int


class Serving(Record):
    """A worker began to take connections."""

    worker: int
    at: float


class Standing(Record):
    """A worker was made to stand still, from a SIGSTOP to a SIGCONT."""

    worker: int
    began: float
    ended: float


class Processor(Record):
    """What a process had of the processors, when it was seen to be alive.

    Args:
        worker: Which; 0 is the harness.
        since: Of which time it is told.
        at: Until when.
        ran: Seconds for which its main thread ran.
        starved: Seconds for which it could have run, and had no processor.
    """

    worker: int
    since: float
    at: float
    ran: float = 0.0
    starved: float = 0.0


class Fault(Record):
    """Something was done to the system.

    Args:
        number: In the order in which they were drawn.
        kind: What.
        began: When.
        ended: When it was over.
        detail: How.
        skipped: Why it was not done.
    """

    number: int
    kind: str
    began: float
    ended: float
    detail: str = ""
    skipped: str = ""


class Hostile(Record):
    """A hostile client was answered.

    Args:
        kind: What it tried.
        began: When it came.
        ended: When it was answered or hung up on, or had waited long enough.
        status: Of the answer; 0 when the connection was closed without one.
        is_over: Whether it was answered or hung up on.
    """

    kind: str
    began: float
    ended: float
    status: int
    is_over: bool = True


class Stored(Record):
    """An event of the log as it is in the end.

    Args:
        position: In the whole log.
        session: Whose.
        sequence: In that session.
        type: Its stored name.
        id: Of the event.
        key: The idempotency key of the request.
        at: Its time, in seconds since 1970.
        data: What it says.
    """

    position: int
    session: str
    sequence: int
    type: str
    id: str
    at: float
    key: str = ""
    data: dict[str, object] = {}


class Row(Record):
    """A session in the list as it is in the end."""

    session: str
    sequence: int
    position: int
    title: str | None
    status: str
    starred: bool
    tags: list[str]


class Finding(Record):
    """What the run itself found, which the records do not show."""

    words: str


class Finish(Record):
    """The run is over, and everything was quiet for a while."""

    at: float


AnyRecord = (
    Start
    | Attempt
    | Read
    | Look
    | Seen
    | Following
    | FollowedTo
    | Ready
    | Memory
    | Serving
    | Standing
    | Processor
    | Fault
    | Hostile
    | Stored
    | Row
    | Finding
    | Finish
)

_R = TypeVar("_R", bound=Record)
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(AnyRecord)


@dataclass
class History:
    """All records of a run, in the order in which they were written."""

    records: list[Record] = field(default_factory=list[Record])
    _by_kind: dict[type[Record], list[Record]] = field(
        default_factory=dict[type[Record], list[Record]], repr=False
    )

    def add(self, record: Record) -> None:
        """Write one down."""
        self.records.append(record)
        self._by_kind.setdefault(type(record), []).append(record)

    def of(self, kind: type[_R]) -> list[_R]:
        """Return the records of one kind."""
        return self._by_kind.get(kind, [])  # type: ignore[return-value]

    @property
    def start(self) -> Start:
        """How the run began."""
        (start,) = self.of(Start)
        return start

    def save(self, path: Path) -> None:
        """Write it into a file."""
        with path.open("wb") as file:
            for record in self.records:
                file.write(_encoder.encode(record) + b"\n")

    @classmethod
    def load(cls, path: Path) -> "History":
        """Read a file."""
        return cls.of_records(map(_decoder.decode, _lines(path)))

    @classmethod
    def of_records(cls, records: Iterable[Record]) -> "History":
        """Return the history that is made of these."""
        history = cls()
        for record in records:
            history.add(record)
        return history


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from file
