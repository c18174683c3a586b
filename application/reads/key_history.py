"""Who set and who deleted a key of a session's state, or of what it shares."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from application.ports.store import KeyWrite, Store, StoredEvent


class Write(NamedTuple):
    """One write to a key.

    Args:
        deleted: It took the key away.
        value: What it set; None when it deleted.
        at: RFC 3339, or a time.
        actor: Who asked.
        session_id: In whose log the event is.
        sequence: Of the event, in that log.
        position: Of the event, over all.
    """

    deleted: bool
    value: Any
    at: datetime | str
    actor: str
    session_id: UUID
    sequence: int
    position: int


async def own_writes(
    store: Store, session_id: UUID, key: str, *, before: int | None, limit: int
) -> list[Write]:
    """Return the writes to a plain key of a session, the newest first.

    Args:
        store: Where its log is.
        session_id: Which session.
        key: Without a prefix.
        before: Only writes with a lower sequence.
        limit: The most.
    """
    events = await store.log.key_writes(session_id, key, before=before, limit=limit)
    return [_own(store, event, key) for event in events]


def _own(store: Store, event: StoredEvent, key: str) -> Write:
    record = store.codec.from_json(event.record)
    data = record["data"]
    deleted = key in data.get("delete", ())
    # A session begins with a `state`; what changes it later has a `set`.
    values = {**data.get("state", {}), **data.get("set", {})}
    return Write(
        deleted=deleted,
        value=None if deleted else values.get(key),
        at=record["at"],
        actor=record["actor"],
        session_id=event.session_id,
        sequence=event.sequence,
        position=event.position,
    )


def shared_writes(store: Store, writes: Sequence[KeyWrite]) -> list[Write]:
    """Return writes to a shared key in the same form.

    Args:
        store: Whose codec reads their values.
        writes: As the read model has them.
    """
    return [
        Write(
            deleted=one.value is None,
            value=None if one.value is None else store.codec.from_json(one.value),
            at=one.at,
            actor=one.actor,
            session_id=one.session_id,
            sequence=one.sequence,
            position=one.position,
        )
        for one in writes
    ]
