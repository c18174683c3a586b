"""What the database holds, held against what the clients were told."""

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

from application.ports.log.events import StoredEvent
from application.projections.session_row import session_row
from application.projections.shared_state import shared_writes
from domain.log.chain import genesis, link, record_hash
from domain.session.evolve import evolve
from domain.session.state import ABSENT, Session
from infrastructure.records.codec import JsonCodec

_EVENTS = """
select originator_id, originator_version, notification_id, topic, state, digest
from events order by notification_id
"""
_ROWS = """
select session_id, sequence, position, digest, updated_at, created_at, app, user_id, workspace,
  team, scope, agent, type, status, title, marks, tags, deleted, doc
from sessions
"""


@dataclass(frozen=True)
class Log:
    """All events, by position."""

    events: list[StoredEvent]
    records: list[dict[str, Any]]

    def of_key(self, key: str) -> list[StoredEvent]:
        """The events of one request."""
        return self._by_key().get(key, [])

    def _by_key(self) -> dict[str, list[StoredEvent]]:
        found: dict[str, list[StoredEvent]] = self.__dict__.get("_keys", {})
        if not found:
            found = defaultdict(list)
            for event, record in zip(self.events, self.records, strict=True):
                found[record.get("idempotency_key", "")].append(event)
            self.__dict__["_keys"] = found
        return found


def examine(url: str) -> Log:
    """Return the whole log, sound: dense, chained, and with rows that equal its fold."""
    with psycopg.connect(url) as connection:
        # All of it as it is at one moment: somebody may be writing.
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        events = [StoredEvent(*row) for row in connection.execute(_EVENTS)]
        rows = connection.execute(_ROWS).fetchall()
        head = connection.execute("select head from log_head").fetchone()
        keys = connection.execute(
            "select key, session_id, sequence, position from idempotency_keys"
        ).fetchall()
        shared = connection.execute(
            "select scope_id, key, value, position from shared_state"
        ).fetchall()
    assert head == (len(events),)
    assert [event.position for event in events] == list(range(1, len(events) + 1))

    codec = JsonCodec()
    sessions: dict[UUID, Session] = {}
    last: dict[UUID, StoredEvent] = {}
    written: dict[tuple[UUID, str], tuple[bytes | None, int]] = {}
    records: list[dict[str, Any]] = []
    for event in events:
        before = last.get(event.session_id)
        assert event.sequence == (before.sequence if before else 0) + 1
        digest = before.digest if before else genesis(event.session_id)
        assert event.digest == link(digest, record_hash(event.record)), "the chain is broken"
        recorded = codec.decode(event)
        after = evolve(sessions.get(event.session_id, ABSENT), recorded)
        sessions[event.session_id], last[event.session_id] = after, event
        owner = after.lifecycle.owner
        for write in shared_writes(owner.app, owner.user, recorded.event, 0, codec):
            written[write.scope_id, write.key] = write.value, event.position
        records.append(json.loads(event.record))
    assert len({record["id"] for record in records}) == len(records)
    assert {(scope, key): (value, at) for scope, key, value, at in shared} == written
    _compare_rows(rows, sessions, last, records, codec)
    for key, session_id, sequence, position in keys:
        assert 0 < sequence <= last[session_id].sequence, key
        assert 0 < position <= len(events), key
    return Log(events, records)


def _compare_rows(
    rows: list[tuple[Any, ...]],
    sessions: dict[UUID, Session],
    last: dict[UUID, StoredEvent],
    records: list[dict[str, Any]],
    codec: JsonCodec,
) -> None:
    assert {row[0] for row in rows} == set(sessions)
    for session_id, sequence, position, digest, updated_at, *listed in rows:
        newest, fold = last[session_id], sessions[session_id]
        assert (sequence, position, digest) == (newest.sequence, newest.position, newest.digest)
        assert updated_at == codec.decode(newest).at
        row = session_row(session_id, fold, codec)
        *columns, doc = listed
        assert columns == [
            row.created_at,
            row.app,
            row.user,
            row.workspace,
            row.team,
            row.scope,
            row.agent,
            row.type,
            row.status,
            row.title,
            list(row.marks),
            list(row.tags),
            row.deleted,
        ]
        assert json.loads(doc) == json.loads(row.doc)
