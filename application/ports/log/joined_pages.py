"""Pages of events in their public form, for whoever passes them on without looking at them."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol
from uuid import UUID


class JoinedPage(NamedTuple):
    """A page of events as everybody outside sees them, all of one moment.

    Args:
        events: Their public form, in order, with a comma between any two, in pieces cut anywhere.
        reached: The sequence or position up to which these are all the wanted events.
        head: The newest one.
        deleted: Whether the session is deleted: nothing will follow the head.
    """

    events: tuple[bytes, ...]
    reached: int
    head: int
    deleted: bool = False


class JoinedPages(Protocol):
    """Reads what `EventLog.read_page` and `EventLog.read_all` read, made and joined by the store.

    The form of an event is that of `application/reads/streams/wire.py`, byte for byte.
    """

    async def of_session(
        self,
        session_id: UUID,
        *,
        after: int,
        upto: int,
        limit: int,
        most_bytes: int,
        types: Sequence[str] = (),
    ) -> JoinedPage | None:
        """Return events of one session and its head; None when there is no such session.

        Args:
            session_id: Whose log.
            after: A sequence, exclusive.
            upto: The last sequence that is looked at; it may be beyond the head.
            limit: The most events.
            most_bytes: It ends with the event whose record reaches so many bytes in all.
            types: Only events of these types; none are all.
        """
        ...

    async def of_all(self, *, after: int, upto: int, limit: int, most_bytes: int) -> JoinedPage:
        """Return events of all sessions and the head of the log.

        Args:
            after: A position, exclusive.
            upto: The last position that is looked at; it may be beyond the head.
            limit: The most events.
            most_bytes: It ends with the event whose record reaches so many bytes in all.
        """
        ...
