"""Who set and who deleted a key of a session's state, or of what it shares."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

from application.commands.repository import SessionRepository
from application.ports.log.codec import Codec
from application.ports.log.events import StoredEvent
from application.ports.log.session_logs import SessionLogs
from application.ports.session.shared_state import KeyWrite, SharedState
from application.projections.shared_state import scope_id
from application.reads.readable import ErasedSessions
from domain.errors import SessionNotFound
from domain.scope.state_keys import scope_of
from domain.session.content.key_writes import recorded_key_writes
from domain.values import Origin


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
        user: Whose session it was, of a key that sessions share; None where none was.
    """

    deleted: bool
    value: Any
    at: datetime | str
    actor: str
    session_id: UUID
    sequence: int
    position: int
    user: str | None = None


class KeyHistory(NamedTuple):
    """A page of the history of a key.

    Args:
        writes: The newest first.
        by: What `before` counts, and the next page goes on from.
        origin: Where the history goes on when this log has no more of it.
    """

    writes: Sequence[Write]
    by: Literal["sequence", "position"]
    origin: Origin | None = None


class KeyHistories:
    """Reads who set and who deleted keys.

    Args:
        log: Where the keys of sessions were written.
        shared_state: Where those are that sessions share.
        codec: Reads their values.
        erased: Refuses erased sessions.
        repository: Loads the states of sessions.
    """

    def __init__(
        self,
        log: SessionLogs,
        shared_state: SharedState,
        codec: Codec,
        erased: ErasedSessions,
        repository: SessionRepository,
    ) -> None:
        self._log = log
        self._shared_state = shared_state
        self._codec = codec
        self._erased = erased
        self._repository = repository

    async def of_session(
        self, session_id: UUID, key: str, *, before: int | None, limit: int
    ) -> KeyHistory:
        """Return the writes to a key that a session sees or saw, also after it was deleted.

        Args:
            session_id: Which session.
            key: Its own, or with a prefix that of its app or its user.
            before: Only writes at a lower sequence, of a shared key at a lower position.
            limit: The most.

        Raises:
            SessionNotFound: There never was one.
        """
        lifecycle = (await self._repository.load(session_id)).session.lifecycle
        if lifecycle.phase == "absent":
            raise SessionNotFound
        if lifecycle.phase == "erased":
            raise await self._erased.refusal(session_id)
        kind = scope_of(key)
        if kind in ("app", "user"):
            user = lifecycle.owner.user if kind == "user" else None
            return await self.of_scope(lifecycle.owner.app, user, key, before=before, limit=limit)
        events = await self._log.key_writes(session_id, key, before=before, limit=limit)
        writes = [one for event in events if (one := own_write(event, key, self._codec))]
        return KeyHistory(writes, "sequence", lifecycle.forked_from)

    async def of_scope(
        self, app: str, user: str | None, key: str, *, before: int | None, limit: int
    ) -> KeyHistory:
        """Return the writes to a key of an app, or of one user of it.

        Args:
            app: The app.
            user: None for the keys of the app.
            key: With its prefix.
            before: Only writes at a lower position.
            limit: The most.
        """
        found = await self._shared_state.key_history(
            scope_id(app, user), key, before=before, limit=limit
        )
        return KeyHistory(writes_to_shared(found, self._codec), "position")


def own_write(event: StoredEvent, key: str, codec: Codec) -> Write | None:
    """Return the write of an event to a plain key; None when its record says no such thing.

    Args:
        event: Of the session.
        key: Without a prefix.
        codec: Reads the record.
    """
    record = codec.from_json(event.record)
    written = recorded_key_writes(record["data"])
    deleted = key in written.delete
    if not deleted and key not in written.set:
        # What can be read of a damaged record does not say so any more.
        return None
    return Write(
        deleted=deleted,
        value=None if deleted else written.set.get(key),
        at=record["at"],
        actor=record["actor"],
        session_id=event.session_id,
        sequence=event.sequence,
        position=event.position,
    )


def writes_to_shared(writes: Sequence[KeyWrite], codec: Codec) -> list[Write]:
    """Return writes to a shared key in the same form.

    Args:
        writes: As the read model has them.
        codec: Reads their values.
    """
    return [
        Write(
            deleted=one.value is None,
            value=None if one.value is None else codec.from_json(one.value),
            at=one.at,
            actor=one.actor,
            session_id=one.session_id,
            sequence=one.sequence,
            position=one.position,
            user=one.user,
        )
        for one in writes
    ]
