"""Pieces of messages that are being written, in a table that costs no WAL."""

from collections.abc import Sequence
from typing import cast
from uuid import UUID

from application.ports.session.partials import Ending, KeptPiece, Key, Kind, Piece
from infrastructure.postgres import sql
from infrastructure.postgres.connecting.database import Database

_STATEMENTS = sql.load("partials")


class PostgresPartials:
    """Pieces; see `application.ports.session.partials.PartialStore`.

    Args:
        database: For reads.
        beside: With a connection of its own: nothing else waits for what is written.
    """

    def __init__(self, database: Database, beside: Database) -> None:
        self._database = database
        self._beside = beside

    async def keep(self, pieces: Sequence[KeptPiece]) -> None:
        """Keep pieces of many sessions at once."""
        await self._beside.run(
            _STATEMENTS["keep"],
            {
                "sessions": [one.session_id for one in pieces],
                "turns": [one.turn_id for one in pieces],
                "types": [one.piece.key.type for one in pieces],
                "kinds": [one.piece.key.kind for one in pieces],
                "messages": [one.piece.key.message_id for one in pieces],
                "names": [one.piece.name for one in pieces],
                "numbers": [one.piece.index for one in pieces],
                "counts": [one.piece.count for one in pieces],
                "starts": [one.piece.offset for one in pieces],
                "contents": [one.piece.text.encode() for one in pieces],
                "halves": [ord(one.piece.half) if one.piece.half else None for one in pieces],
                "since": [one.piece.since for one in pieces],
            },
        )

    async def forget(self, endings: Sequence[Ending]) -> None:
        """Forget the messages that began before the events that ended them."""
        await self._beside.run(
            _STATEMENTS["forget"],
            {
                "sessions": [one.session_id for one in endings],
                "sequences": [one.sequence for one in endings],
                "types": [one.type for one in endings],
                "messages": [one.message_id for one in endings],
            },
        )

    async def read(self, session_id: UUID) -> Sequence[KeptPiece]:
        """Return what is kept of a session, by offset and index."""
        rows = await self._database.fetch(_STATEMENTS["read"], {"session": session_id})
        return [
            KeptPiece(
                session_id,
                turn_id,
                Piece(
                    Key(kind_of_event, message_id, cast("Kind", kind)),
                    index,
                    count,
                    offset,
                    content.decode(),
                    since,
                    name,
                    "" if half is None else chr(half),
                ),
            )
            for (
                turn_id, kind_of_event, message_id, kind, index, count, offset, content, since,
                name, half,
            ) in rows
        ]  # fmt: skip

    async def sweep(self) -> int:
        """Forget what belongs to turns that run no more."""
        rows = await self._beside.fetch(_STATEMENTS["sweep"], {})
        return int(rows[0][0])
