"""The log over all sessions, as feeds, webhooks and other processes read it."""

from collections.abc import Mapping, Sequence
from typing import Protocol
from uuid import UUID

from application.ports.log.events import EventFilter, FeedPage, OwnedPage


class WholeLog(Protocol):
    """Reads the log over all sessions, by position."""

    async def head(self) -> int:
        """Return the newest position; 0 when the log is empty."""
        ...

    async def read_all(
        self,
        *,
        after: int,
        upto: int,
        limit: int,
        most_bytes: int | None = None,
        types: Sequence[str] = (),
        app: str | None = None,
        user: str | None = None,
    ) -> FeedPage:
        """Return events of all sessions and the head of the log.

        Args:
            after: A position, exclusive.
            upto: The last position that is looked at; it may be beyond the head.
            limit: The most events.
            most_bytes: It ends with the event whose record reaches so many bytes in all.
            types: Only events of these types; none are all.
            app: Only events of sessions of this app.
            user: Only events of sessions of this user.
        """
        ...

    async def read_owned(
        self, *, after: int, upto: int, limit: int, most_bytes: int, wanted: EventFilter
    ) -> OwnedPage:
        """Return wanted events with their owners.

        Args:
            after: A position, exclusive.
            upto: The last position that is looked at; the log has come to it.
            limit: The most events.
            most_bytes: It ends with the event whose stored record reaches so many bytes in all.
            wanted: Which events.
        """
        ...

    async def left_of_erased(self, positions: Sequence[int]) -> Mapping[int, bytes]:
        """Return what is left of the events that are erased, or are said to be and soon will.

        Args:
            positions: Of the events that are asked about.

        Returns:
            The records of the erased ones among them, by position.
        """
        ...

    async def changed_since(self, position: int) -> tuple[int, Mapping[UUID, int]]:
        """Return the newest position, and the newest sequence of each session changed since."""
        ...
