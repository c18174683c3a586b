"""Pages of events in their public form, made by Postgres: one row for a page.

Where a record of a page is damaged or erased, the page is made of rows, one of which says so.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from application.ports.log.event_log import EventLog
from application.ports.log.joined_pages import JoinedPage
from infrastructure.postgres import sql
from infrastructure.postgres.connecting.database import Database
from infrastructure.records.joined_lines import with_commas
from infrastructure.records.joined_rows import JoinedRows

_STATEMENTS = sql.load("joined_pages")
_IN_ROW = 1_900
"""The most bytes of a record that Postgres keeps in its row, and so finds there at no cost."""


class PostgresJoinedPages:
    """Has pages joined; see `application.ports.log.joined_pages.JoinedPages`.

    Args:
        database: Where the log is.
        log: The same.
    """

    def __init__(self, database: Database, log: EventLog) -> None:
        self._database = database
        self._by_row = JoinedRows(log)
        self._bounded: set[str] = set()
        """What is read with a bound at once: its last page needed one, and the next one may."""

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
        """Return events of one session and its head."""
        values: dict[str, Any] = {
            "session": session_id,
            "after": after,
            "upto": upto,
            "limit": limit,
            "bytes": most_bytes,
            "types": list(types),
        }
        rows = await self._fetch("of_session", values)
        if not rows:
            return None
        head, deleted, *page = rows[0]
        return _page(page, head, values, deleted=deleted) or await self._by_row.of_session(
            session_id, after=after, upto=upto, limit=limit, most_bytes=most_bytes, types=types
        )

    async def of_all(self, *, after: int, upto: int, limit: int, most_bytes: int) -> JoinedPage:
        """Return events of all sessions and the head of the log."""
        values = {"after": after, "upto": upto, "limit": limit, "bytes": most_bytes}
        ((head, *page),) = await self._fetch("of_all", values)
        return _page(page, head, values) or await self._by_row.of_all(
            after=after, upto=upto, limit=limit, most_bytes=most_bytes
        )

    async def _fetch(self, name: str, asked: dict[str, Any]) -> list[tuple[Any, ...]]:
        """Return the row of a page, which is made without a bound where all of it is short."""
        types = bool(asked.get("types"))
        if not types and name not in self._bounded:
            short = {**asked, "in_row": _IN_ROW}
            rows = await self._database.fetch(_STATEMENTS[f"{name}_in_rows"], short)
            if not _needs_bound(rows, asked):
                return rows
            self._bounded.add(name)
        rows = await self._database.fetch(_STATEMENTS[name], asked, planned_anew=types)
        if not types and not _needs_bound(rows, asked):
            self._bounded.discard(name)
        return rows


def _needs_bound(rows: list[tuple[Any, ...]], asked: dict[str, Any]) -> bool:
    """Return whether a page has a record that lies outside of its row, or is full of bytes."""
    if not rows:
        return False
    *_, size, _, longest = rows[0]
    return size is not None and (longest > _IN_ROW or size >= asked["bytes"])


def _page(
    page: Sequence[Any], head: int, asked: dict[str, Any], *, deleted: bool = False
) -> JoinedPage | None:
    """Return a page, which ends before what it was asked for when it is full.

    Returns:
        None when one of its records cannot be read.
    """
    count, last, size, lines, _ = page
    reached = max(min(asked["upto"], head), asked["after"])
    if not count:
        return JoinedPage((), reached, head, deleted)
    events = with_commas(lines, count)
    if events is None:
        return None
    if count == asked["limit"] or size >= asked["bytes"]:
        reached = last
    return JoinedPage(events, reached, head, deleted)
