"""Sessions that may be read, and the answer to whoever asks for one that is erased."""

from typing import Any
from uuid import UUID

from application.errors import require_sequence
from application.ports.log.codec import Codec
from application.ports.log.session_logs import SessionLogs
from application.ports.session.listing import ListedSession
from application.ports.session.session_rows import RowLookup
from domain.errors import Erased, SessionIsDeleted, SessionNotFound


class ErasedSessions:
    """Says of erased sessions who erased them, when and why.

    Args:
        log: Where they were.
        codec: Reads what is left.
    """

    def __init__(self, log: SessionLogs, codec: Codec) -> None:
        self._log = log
        self._codec = codec

    async def refusal(self, session_id: UUID) -> Erased:
        """Return the refusal to read an erased session, with who erased it, when and why.

        Args:
            session_id: Which.
        """
        newest = await self._log.read_newest(session_id, last=1)
        if not newest:
            return Erased()
        record: dict[str, Any] = self._codec.from_json(newest[0].record)
        told = {name: record.get(name) for name in ("at", "actor")}
        data: dict[str, Any] = record.get("data") or {}
        return Erased(
            None,
            erased={"sequence": newest[0].sequence, **told, "reason": data.get("reason")},
        )


class ReadableSessions:
    """Finds sessions as lists show them, and refuses those that are erased.

    Args:
        rows: What lists show.
        erased: Says why an erased one is not read.
    """

    def __init__(self, rows: RowLookup, erased: ErasedSessions) -> None:
        self._rows = rows
        self._erased = erased

    async def row(self, session_id: UUID) -> ListedSession:
        """Return the row of a session, of a deleted one too.

        Args:
            session_id: Which.

        Raises:
            SessionNotFound: There is none.
            Erased: It is erased.
        """
        row = await self._found(session_id)
        await self._refuse_erased(row)
        return row

    async def living(
        self, session_id: UUID, expected: frozenset[int] | None = None
    ) -> ListedSession:
        """Return the row of a session to which something may still be done.

        Args:
            session_id: Which.
            expected: The sequences that the caller allows; None allows any.

        Raises:
            SessionNotFound: There is none.
            StaleSequence: The session is at another sequence than these.
            Erased: It is erased.
            SessionIsDeleted: It was deleted.
        """
        row = await self._found(session_id)
        require_sequence(row.sequence, expected)
        await self._refuse_erased(row)
        if row.status == "deleted":
            raise SessionIsDeleted
        return row

    async def _found(self, session_id: UUID) -> ListedSession:
        row = await self._rows.session(session_id)
        if row is None:
            raise SessionNotFound
        return row

    async def _refuse_erased(self, row: ListedSession) -> None:
        if row.status == "erased":
            raise await self._erased.refusal(row.session_id)
