"""The list rows of sessions, written in the transaction of the events they follow from."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from application.ports.session.listing import After, ListedSession, SessionFilter, SessionOrder
from application.ports.session.session_row import SessionRow


class RowLookup(Protocol):
    """Finds the row of one session."""

    async def session(self, session_id: UUID) -> ListedSession | None:
        """Return a session's row, of a deleted one too."""
        ...


class SessionLists(RowLookup, Protocol):
    """Finds the rows of many."""

    async def called(self, external_id: str, limit: int) -> Sequence[ListedSession]:
        """Return sessions with an external id by their apps, deleted ones too.

        Args:
            external_id: What clients call them.
            limit: The most sessions.
        """
        ...

    async def sessions(
        self, where: SessionFilter, order: SessionOrder, after: After | None, limit: int
    ) -> Sequence[ListedSession]:
        """Return rows of sessions that are not deleted."""
        ...

    async def living_children(self, parent_id: UUID) -> Sequence[UUID]:
        """Return the children of a session that have not ended, whatever it knows of them."""
        ...

    async def apps(self, limit: int) -> Sequence[str]:
        """Return the apps that have sessions which are not deleted, by name.

        Args:
            limit: The most apps.
        """
        ...


class OutdatedRows(Protocol):
    """Rows that an older projection made, to be made anew."""

    async def rows_older_than(self, version: int, limit: int) -> Sequence[tuple[UUID, int]]:
        """Return sessions, with their sequence, whose row an older projection made.

        Args:
            version: Of the projection.
            limit: The most sessions.
        """
        ...

    async def replace_row(self, session_id: UUID, sequence: int, row: SessionRow) -> None:
        """Put another row in the place of one that an older projection made.

        Args:
            session_id: Whose.
            sequence: Where the session stood when the row was made: if it has moved on since, its
                row is left as it is.
            row: The new one.
        """
        ...


class SessionRows(SessionLists, OutdatedRows, Protocol):
    """All rows, as a store keeps them."""
