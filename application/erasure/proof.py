"""The proof of an erasure: what was erased, and that nothing else has changed.

Lines of JSON. The first one has the checkpoints around the erasure and the proofs that lead from
each event that says so to the root that was signed; then comes each log as an export has it, with
the hash and the digest of every record that is gone.
"""

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from typing import Any
from uuid import UUID

from application.errors import NotErased
from application.ports.clock import Clock
from application.ports.log.event_log import EventLog
from application.ports.log.events import StoredEvent
from application.ports.log.transparency import SignedHead, SignedHeads
from application.ports.session.session_rows import RowLookup
from application.reads.evidence.transparency import TransparencyLog
from application.transfer.exporting.log_files import LogFiles
from domain.errors import CairnError, SessionNotFound
from domain.log.erased_records import ERASING
from domain.values import rfc3339

FORMAT = 1


class ErasureProofs:
    """Makes proofs.

    Args:
        store: The id of the store, for whoever reads a proof elsewhere.
        log: What is erased, and what says so.
        rows: Which sessions there are.
        clock: Tells when a proof is made.
        files: Makes lines of them.
        transparency: The tree over the log.
        heads: What was signed of it.
    """

    def __init__(
        self,
        store: str,
        log: EventLog,
        rows: RowLookup,
        clock: Clock,
        files: LogFiles,
        transparency: TransparencyLog,
        heads: SignedHeads,
    ) -> None:
        self._store = store
        self._log = log
        self._rows = rows
        self._clock = clock
        self._files = files
        self._transparency = transparency
        self._heads = heads

    async def sign(self) -> None:
        """Sign the head of the log as it is now, if there is a key to sign with."""
        # What is wrong with the log keeps nobody from being erased.
        if self._transparency.keys.signing:
            with suppress(CairnError):
                await self._transparency.checkpoint()

    async def of_session(self, session_id: UUID) -> AsyncGenerator[bytes]:
        """Yield the proof of the erasure of a session.

        Args:
            session_id: Which; the logs of keys and of accesses are no sessions.

        Raises:
            SessionNotFound: There is none.
            NotErased: It is not erased.
        """
        if await self._rows.session(session_id) is None:
            raise SessionNotFound
        async with aclosing(self.lines([session_id])) as lines:
            async for line in lines:
                yield line

    async def lines(self, log_ids: Sequence[UUID]) -> AsyncGenerator[bytes]:
        """Yield the proof of the erasure of logs.

        Args:
            log_ids: At least one; each is erased.

        Raises:
            SessionNotFound: One of them has no session.
            NotErased: One of them is not erased.
        """
        said = [await self._said(log_id) for log_id in dict.fromkeys(log_ids)]
        yield _line(await self._beginning(said))
        for event in said:
            file = await self._files.log(event.session_id)
            async for piece in file.pieces():
                yield piece

    async def _said(self, log_id: UUID) -> StoredEvent:
        """Return the event that says that a log is erased."""
        found = await self._log.read_newest(log_id, last=1, types=tuple(ERASING))
        if found:
            return found[0]
        if not await self._log.read(log_id, limit=1):
            raise SessionNotFound(f"there is no session {log_id}")
        raise NotErased(f"session {log_id} is not erased, so there is nothing to prove")

    async def _beginning(self, said: Sequence[StoredEvent]) -> dict[str, Any]:
        await self.sign()
        after = next(iter(await self._heads.page(None, 1)), None)
        positions = [event.position for event in said]
        if after is not None and after.head.size < max(positions):
            # There is no key any more, or the log is not what was signed.
            after = None
        before = next(iter(await self._heads.page(min(positions), 1)), None)
        size = await self._log.head() if after is None else after.head.size
        proofs = [await self._transparency.inclusion(one.position, size) for one in said]
        told: dict[str, Any] = {
            "cairn_erasure": FORMAT,
            "store": self._store,
            "made_at": rfc3339(self._clock.now()),
            "logs": [str(one.session_id) for one in said],
            "checkpoint_before": _note(before),
            "checkpoint": _note(after),
            "consistency": None,
            "inclusion": [one.document() for one in proofs],
        }
        if before is not None and after is not None:
            consistency = await self._transparency.consistency(before.head.size, after.head.size)
            told["consistency"] = consistency.document()
        return told


def _note(signed: SignedHead | None) -> str | None:
    return None if signed is None else signed.note


def _line(told: dict[str, Any]) -> bytes:
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
