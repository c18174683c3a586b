"""The export file of one log, and which logs are exported."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from application.ports.log.events import StoredEvent
from application.ports.session.session_rows import SessionFilter
from application.reads.streams.wire import record_json
from application.transfer.lines import Header
from domain.log.erased_records import ERASING


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which logs are exported: those that are named, else those of a list, else all.

    Args:
        session_ids: Of sessions.
        where: Which sessions; with an app, and perhaps a user, their shared scopes come along.
        after: Go on behind this one.
        limit: The most logs; None is all of them.
    """

    session_ids: Sequence[UUID] = ()
    where: SessionFilter | None = None
    after: UUID | None = None
    limit: int | None = None


class LogFile:
    """The export file of one log, as it was when it was opened.

    Args:
        name: In a bundle.
        header: Its first line.
        first: The events of the first page.
        rest: Gives the events of the pages after it.
        again: Opens the log anew.
    """

    def __init__(
        self,
        name: str,
        header: Header,
        first: Sequence[StoredEvent],
        rest: AsyncGenerator[Sequence[StoredEvent]],
        again: Callable[[], Awaitable["LogFile"]],
    ) -> None:
        self.name = name
        self._again = again
        self.header = header
        self._first = first
        self._rest = rest

    @property
    def is_whole(self) -> bool:
        """Whether it is one piece."""
        return len(self._first) == self.header.events

    async def pieces(self) -> AsyncGenerator[bytes]:
        """Yield its bytes; once.

        Raises:
            Erased: The log was erased on the way: what is left of it must be opened anew.
        """
        yield self.header.line() + lines_of(self._first)
        async for page in self._rest:
            yield lines_of(page)

    async def again(self) -> "LogFile":
        """Return the file of the log as it is now."""
        return await self._again()


def lines_of(events: Sequence[StoredEvent]) -> bytes:
    """Return events as they stand in a file."""
    return b"".join([record_json(event) + b"\n" for event in events])


def erased_upto(events: Sequence[StoredEvent]) -> int:
    """Return the sequence of the last event that says that all before it is erased."""
    return max((one.sequence for one in events if one.type in ERASING), default=0)
