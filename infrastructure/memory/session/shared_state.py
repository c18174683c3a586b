"""Keys that sessions share in memory."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from uuid import UUID

from application.ports.session.shared_state import KeyValue, KeyWrite, ScopeKeys
from infrastructure.memory.tables import Tables
from infrastructure.records.codec import JsonCodec

_position = attrgetter("position")


class MemorySharedState:
    """The shared keys; see `application.ports.session.shared_state.SharedState`.

    Args:
        tables: What it shares with the log.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._codec = JsonCodec()

    async def shared_with(
        self, session_id: UUID, scope_ids: Sequence[UUID]
    ) -> tuple[int, Mapping[str, bytes]]:
        """Return the sequence of a session and the keys of shared scopes."""
        log = self._tables.logs.get(session_id)
        values: dict[str, bytes] = {}
        for scope_id in scope_ids if log else ():
            values |= self._values(scope_id)
        return len(log or ()), values

    async def scope(self, scope_id: UUID, *, at: int | None = None) -> ScopeKeys:
        """Return the version and the keys of a shared scope."""
        return ScopeKeys(self._tables.version(scope_id, at), self._values(scope_id, at))

    async def key_history(
        self, scope_id: UUID, key: str, *, before: int | None = None, limit: int
    ) -> Sequence[KeyWrite]:
        """Return the writes to a key of a shared scope, newest first."""
        history: list[KeyWrite] = []
        for write in reversed(self._tables.shared.get(scope_id, [])):
            if write.key == key and (before is None or write.position < before):
                event = self._tables.events[write.position - 1]
                said = self._codec.from_json(event.record)
                at, actor = datetime.fromisoformat(said["at"]), said.get("actor", "system")
                listed = self._tables.listed.get(write.session_id)
                history.append(
                    KeyWrite(
                        write.position,
                        write.session_id,
                        write.sequence,
                        write.value,
                        at,
                        actor,
                        None if listed is None else listed.row.user,
                    )
                )
        return history[:limit]

    async def writes(self, scope_id: UUID, *, after: int, limit: int) -> Sequence[KeyValue]:
        """Return the writes to all keys of a shared scope, oldest first."""
        history = self._tables.shared.get(scope_id, [])
        later = history[bisect_right(history, after, key=_position) :]
        end = later[:limit][-1].position if later else 0
        return [
            KeyValue(one.key, one.position, one.session_id, one.sequence, one.value)
            for one in later
            if one.position <= end
        ]

    def _values(self, scope_id: UUID, at: int | None = None) -> Mapping[str, bytes]:
        history = self._tables.shared.get(scope_id, [])
        end = len(history) if at is None else bisect_right(history, at, key=_position)
        newest = {write.key: write.value for write in history[:end]}
        return {key: value for key, value in sorted(newest.items()) if value is not None}
