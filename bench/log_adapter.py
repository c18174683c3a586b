"""The log alone, as the measure `log` uses it: the only file that knows its interface."""

import asyncio
from datetime import datetime
from hashlib import sha256
from types import TracebackType
from typing import Self
from uuid import UUID

from application.ports.log.append import Append
from application.ports.log.events import Envelope, NewEvent
from application.ports.session.idempotency import StoredAnswer
from application.ports.session.session_row import SessionRow
from domain.log.chain import genesis, link, record_hash
from domain.session.events import MessageAdded
from infrastructure.clock import SystemClock
from infrastructure.postgres.connecting.migrations import migrate
from infrastructure.postgres.store import open_store
from infrastructure.records.codec import JsonCodec


class LogAdapter:
    """Opens the event log on a fresh database and appends one event at a time.

    Every append has a real record of the real codec, its digest in the chain of its session, the
    head and list row, and an idempotency key with its answer.
    """

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._clock = SystemClock()
        self._codec = JsonCodec()
        self._digests: dict[str, bytes] = {}

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(migrate, self._conninfo)
        self._opened = open_store(self._conninfo)
        self._store = await self._opened.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._opened.__aexit__(kind, error, trace)

    async def append(self, session: str, sequence: int, text: str, idempotency_key: str) -> None:
        """Append event number `sequence` (from 1) to the session; return when it is durable."""
        session_id, now = UUID(session), self._clock.now()
        event = MessageAdded(
            message_id=idempotency_key, role="user", parts=({"type": "text", "text": text},)
        )
        envelope = Envelope(self._clock.new_id(), now, "bench", "bench")
        name, record = self._codec.encode(event, envelope)
        digest = link(self._digests.get(session) or genesis(session_id), record_hash(record))
        append = Append(session_id, sequence - 1, [NewEvent(name, record, digest)], now)
        if sequence == 1:
            append.row = _row(session, now)
        fingerprint = sha256(record).digest()
        answer = b'{"message_id":"%s"}' % idempotency_key.encode()
        append.keys = [
            StoredAnswer(session_id, idempotency_key, fingerprint, session_id, sequence, 0, answer)
        ]
        await self._store.log.append(append)
        self._digests[session] = digest


def _row(session: str, now: datetime) -> SessionRow:

    return SessionRow(
        app="bench",
        user="bench",
        workspace=None,
        team=None,
        scope=None,
        agent=None,
        type="user",
        status="idle",
        title=None,
        marks=(),
        tags=(),
        created_at=now,
        deleted=False,
        doc=f'{{"id":"{session}"}}',
    )
