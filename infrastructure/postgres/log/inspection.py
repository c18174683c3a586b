"""One log as it lies in Postgres, read in a transaction that cannot write."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from operator import itemgetter
from typing import Any
from uuid import UUID

from application.ports.log.inspection import FoundKey, FoundRow, OwnWrite
from application.ports.session.session_row import Activity
from application.tasks import ended
from domain.repair.integrity import Placed
from domain.session.state import FORMAT, OLDEST_FORMAT, Session
from infrastructure.postgres import sql
from infrastructure.postgres.connecting.database import Database
from infrastructure.postgres.connecting.reading import Reading
from infrastructure.postgres.session.snapshots import state_of

_STATEMENTS = sql.load("inspection")
_AT_ONCE = 512
_BYTES = 4 * 1024 * 1024
_SHORT = 32
"""Events of a log that is read at once with those of others."""
_BEFORE_ALL = -(2**63)
_TURNS_TO_ASK = 2
"""Turns of the loop until a read that was begun has sent its statement."""
_RECORD = itemgetter(3)
_NOT_SHOWN = ("session_id", "sequence", "position", "digest", "projected_with")


class PostgresInspection:
    """One session at one moment; see `application.ports.log.inspection.Inspection`."""

    def __init__(self, reader: "_Reader", session_id: UUID) -> None:
        self._reader = reader
        self._id = session_id
        self._session: Mapping[str, Any] = {"session": session_id}

    async def row(self) -> FoundRow | None:
        """Return its list row."""
        return (await self._reader.rows([self._id])).get(self._id)

    async def events(self) -> AsyncGenerator[Sequence[Placed]]:
        """Give its log a piece at a time, in order of sequence."""
        ahead = asyncio.create_task(self._page_after(_BEFORE_ALL, _BEFORE_ALL))
        try:
            while page := await ahead:
                if len(page) < _AT_ONCE and sum(map(len, map(_RECORD, page))) < _BYTES:
                    yield page
                    return
                sequence, position, *_ = page[-1]
                ahead = asyncio.create_task(self._page_after(sequence, position))
                # Postgres works on the next page while this one is looked at, if it is asked now.
                for _ in range(_TURNS_TO_ASK):
                    await asyncio.sleep(0)
                yield page
        finally:
            await ended(ahead)

    async def _page_after(self, sequence: int, position: int) -> Sequence[Placed]:
        values = {"sequence": sequence, "position": position, "limit": _AT_ONCE, "bytes": _BYTES}
        return await self._reader.ask(_STATEMENTS["events"], {**self._session, **values})

    async def kept(self) -> Sequence[int]:
        """Return the sequences of its kept states."""
        return (await self._reader.kept([self._id])).get(self._id, ())

    async def kept_state(self, sequence: int) -> Session | None:
        """Return one of these states; None where it is damaged."""
        values = {**self._session, "sequence": sequence}
        rows = await self._reader.ask(_STATEMENTS["kept_state"], values)
        return await state_of(rows[0][0], sequence)

    async def keys(self, writes: Sequence[OwnWrite]) -> Sequence[FoundKey]:
        """Return what the store has of keys, in their order."""
        return await self._reader.keys(writes)


class _Short(PostgresInspection):
    """A session that was read already."""

    def __init__(
        self,
        reader: "_Reader",
        session_id: UUID,
        row: FoundRow | None,
        events: Sequence[Placed],
        kept: Sequence[int],
    ) -> None:
        super().__init__(reader, session_id)
        self._row, self._events, self._kept = row, events, kept

    async def row(self) -> FoundRow | None:
        return self._row

    async def events(self) -> AsyncGenerator[Sequence[Placed]]:
        if self._events:
            yield self._events

    async def kept(self) -> Sequence[int]:
        return self._kept


class PostgresShortOnes:
    """Sessions with few events; see `application.ports.log.inspection.ShortOnes`.

    Args:
        reader: Reads what is asked of them.
        inspections: Each of them.
    """

    def __init__(self, reader: "_Reader", inspections: Mapping[UUID, PostgresInspection]) -> None:
        self._reader = reader
        self.inspections = inspections

    async def keys(self, writes: Sequence[OwnWrite]) -> Sequence[FoundKey]:
        """Return what the store has of keys, in their order."""
        return await self._reader.keys(writes)


class _Reader:
    """Asks about any sessions at one moment."""

    def __init__(self, reading: Reading) -> None:
        self.ask = reading.rows
        self._ask_by_name = reading.named_rows

    async def rows(self, session_ids: Sequence[UUID]) -> dict[UUID, FoundRow]:
        """Return their list rows."""
        asked = {"sessions": session_ids}
        rows = await self._ask_by_name(_STATEMENTS["row"], asked)
        return {row["session_id"]: _row(row) for row in rows}

    async def short(self, session_ids: Sequence[UUID]) -> dict[UUID, list[Placed]]:
        """Return all events of those that have few."""
        asked = {"sessions": session_ids, "limit": _SHORT, "bytes": _BYTES}
        found: dict[UUID, list[Placed]] = {one: [] for one in session_ids}
        size = 0
        for session_id, *placed in await self.ask(_STATEMENTS["short"], asked):
            found[session_id].append(tuple(placed))
            size += len(_RECORD(placed))
        if size >= _BYTES:
            # The last that came may have more, and of those behind it nothing is known.
            ends = max(at for at, one in enumerate(session_ids) if found[one])
            for one in session_ids[ends:]:
                del found[one]
        return {one: events for one, events in found.items() if len(events) < _SHORT}

    async def kept(self, session_ids: Sequence[UUID]) -> dict[UUID, list[int]]:
        """Return the sequences of their kept states."""
        asked = {"sessions": session_ids, "oldest": OLDEST_FORMAT, "format": FORMAT}
        found: dict[UUID, list[int]] = {}
        for session_id, sequence in await self.ask(_STATEMENTS["kept"], asked):
            found.setdefault(session_id, []).append(sequence)
        return found

    async def keys(self, writes: Sequence[OwnWrite]) -> Sequence[FoundKey]:
        """Return what the store has of keys, in their order."""
        if not writes:
            return ()
        values = {
            "scopes": [write.scope_id for write in writes],
            "keys": [write.key for write in writes],
            "positions": [write.position for write in writes],
        }
        return [
            FoundKey(key, _write(*own), _write(*newest), _write(*current))
            for key, *parts in await self.ask(_STATEMENTS["keys"], values)
            for own, newest, current in [(parts[:2], parts[2:4], parts[4:])]
        ]


def _row(row: Mapping[str, Any]) -> FoundRow:
    shown = {name: value for name, value in row.items() if name not in _NOT_SHOWN}
    shown["tags"], shown["marks"] = tuple(shown["tags"]), tuple(shown["marks"])
    shown["activity"] = Activity(*map(shown.pop, Activity._fields))
    return FoundRow(row["sequence"], row["position"], row["digest"], shown, row["projected_with"])


def _write(position: int | None, value: bytes | None) -> tuple[int, bytes | None] | None:
    return None if position is None else (position, value)


class PostgresInspector:
    """Opens sessions to look at; see `application.ports.log.inspection.Inspector`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def look_at(self, session_id: UUID) -> AsyncGenerator[PostgresInspection]:
        """Give a session at one moment."""
        async with self._database.reading() as reading:
            yield PostgresInspection(_Reader(reading), session_id)

    @asynccontextmanager
    async def look_at_short(self, session_ids: Sequence[UUID]) -> AsyncGenerator[PostgresShortOnes]:
        """Give those of some sessions that have few events, at one moment."""
        async with self._database.reading() as reading:
            reader = _Reader(reading)
            events = await reader.short(session_ids)
            rows, kept = await reader.rows([*events]), await reader.kept([*events])
            yield PostgresShortOnes(
                reader,
                {
                    one: _Short(reader, one, rows.get(one), found, kept.get(one, ()))
                    for one, found in events.items()
                },
            )
