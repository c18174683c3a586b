"""Appends as a handler would make them, without a domain."""

import json
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from application.ports.log.append import Append
from application.ports.log.events import NewEvent
from application.ports.session.idempotency import StoredAnswer
from application.ports.session.session_row import NO_ACTIVITY, Activity, SessionRow
from application.ports.session.shared_state import ScopeVersion, SharedWrite
from domain.log.chain import genesis, link, record_hash

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
A_ROW = SessionRow(
    app="shop",
    user="ada",
    workspace=None,
    team=None,
    scope=None,
    agent=None,
    type="user",
    status="idle",
    title=None,
    marks=(),
    tags=(),
    created_at=START,
    deleted=False,
    doc="{}",
)


def at(seconds: float) -> datetime:
    """Return a time some seconds after the start of all tests."""
    return START + timedelta(seconds=seconds)


def row(**changes: Any) -> SessionRow:
    """Return a list row that differs from the usual one."""
    return replace(A_ROW, **changes)


@dataclass
class Chain:
    """The end of one session's log, as a writer sees it."""

    session_id: UUID = field(default_factory=uuid4)
    sequence: int = 0
    digest: bytes = b""

    def __post_init__(self) -> None:
        self.digest = self.digest or genesis(self.session_id)

    def fork(self) -> "Chain":
        """Return what another writer sees now."""
        return copy(self)

    def next(
        self,
        events: int | Sequence[str] = 1,
        *,
        turn: str | None = None,
        at: datetime = START,
        row: SessionRow | None = None,
        activity: Activity = NO_ACTIVITY,
        shared: Sequence[SharedWrite] = (),
        keys: Sequence[str] = (),
        text: str = "",
        actor: str = "user:ada",
        data: Mapping[str, Any] | None = None,
        expects: Mapping[UUID, int] | None = None,
        companions: Sequence[Append] = (),
    ) -> Append:
        """Return an append that follows, and go on from it.

        Args:
            events: Their types, or how many.
            turn: In which turn.
            at: When.
            row: The list row, made up for the first append.
            activity: What moves in the list row without another row.
            shared: With `offset` counted within this append.
            keys: Idempotency keys, all with the answer of the last event.
            text: What makes records longer.
            actor: Who asks.
            data: More of what the events say.
            expects: The versions of shared scopes.
            companions: What is written together with it.
        """
        types = ["message.added"] * events if isinstance(events, int) else events
        before, new = self.sequence, list[NewEvent]()
        for name in types:
            self.sequence += 1
            record: dict[str, Any] = {"id": str(uuid4()), "type": name, "v": 1}
            record |= {"at": at.isoformat(), "actor": actor, "origin": "http"}
            if turn is not None:
                record["turn_id"] = turn
            record["data"] = {"n": self.sequence, "text": text, **(data or {})}
            raw = json.dumps(record).encode()
            self.digest = link(self.digest, record_hash(raw))
            new.append(NewEvent(name, raw, self.digest))
        if row is None and not before and new:
            row = A_ROW
        append = Append(self.session_id, before, new, at, row, activity, shared)
        append.keys = [self.answer(key) for key in keys]
        append.expected_scopes = [ScopeVersion(*one) for one in (expects or {}).items()]
        append.companions = companions
        return append

    def answer(self, key: str, *, scope: UUID | None = None, position: int = 0) -> StoredAnswer:
        """Return what a request with a key was answered, at the present sequence."""
        return StoredAnswer(
            scope=self.session_id if scope is None else scope,
            key=key,
            fingerprint=b"f" * 32,
            session_id=self.session_id,
            sequence=self.sequence,
            position=position,
            answer=b'{"answer":"%s"}' % key.encode(),
        )
