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
_BEFORE_ALL = -(2**63)
_TURNS_TO_ASK = 2
"""Turns of the loop until a read that was begun has sent its statement."""
_RECORD = itemgetter(3)
_NOT_SHOWN = ("sequence", "position", "digest", "projected_with")


class PostgresInspection:
    """One session at one moment; see `application.ports.log.inspection.Inspection`."""

    def __init__(self, reading: Reading, session_id: UUID) -> None:
        self._reading = reading
        self._session: Mapping[str, Any] = {"session": session_id}

    async def row(self) -> FoundRow | None:
        """Return its list row."""
        rows = await self._reading.named_rows(_STATEMENTS["row"], self._session)
        if not rows:
            return None
        row = rows[0]
        shown = {name: value for name, value in row.items() if name not in _NOT_SHOWN}
        shown["tags"], shown["marks"] = tuple(shown["tags"]), tuple(shown["marks"])
        shown["activity"] = Activity(*map(shown.pop, Activity._fields))
        return FoundRow(
            row["sequence"], row["position"], row["digest"], shown, row["projected_with"]
        )

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
        return await self._reading.rows(_STATEMENTS["events"], {**self._session, **values})

    async def kept(self) -> Sequence[int]:
        """Return the sequences of its kept states."""
        values = {**self._session, "oldest": OLDEST_FORMAT, "format": FORMAT}
        return [row[0] for row in await self._reading.rows(_STATEMENTS["kept"], values)]

    async def kept_state(self, sequence: int) -> Session | None:
        """Return one of these states; None where it is damaged."""
        values = {**self._session, "sequence": sequence}
        rows = await self._reading.rows(_STATEMENTS["kept_state"], values)
        return await state_of(rows[0][0], sequence)

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
            for key, *parts in await self._reading.rows(_STATEMENTS["keys"], values)
            for own, newest, current in [(parts[:2], parts[2:4], parts[4:])]
        ]


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
            yield PostgresInspection(reading, session_id)
