"""Erasures in memory."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from uuid import UUID

from application.ports.log.erasures import Footprint, PendingErasure, Relation, SharedKey
from domain.log.erased_records import ERASING, erased_hash, left_of
from infrastructure.memory.tables import Listed, Tables
from infrastructure.records.codec import JsonCodec


class MemoryErasures:
    """Carries erasures out; see `application.ports.log.erasures.Erasures`.

    Args:
        tables: What it shares with the log.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._codec = JsonCodec()
        self._finished: dict[UUID, int] = {}

    async def pending(self, limit: int) -> Sequence[PendingErasure]:
        """Return logs that are to be erased."""
        found: list[PendingErasure] = []
        for log_id in sorted(self._tables.logs):
            upto = self._upto(log_id)
            if upto > self._finished.get(log_id, 0):
                found.append(PendingErasure(log_id, upto, upto - 1 - len(self._left(log_id))))
        return found[:limit]

    def _upto(self, log_id: UUID) -> int:
        said = [one.sequence for one in self._tables.logs[log_id] if one.type in ERASING]
        return max(said, default=0)

    def _left(self, log_id: UUID) -> list[int]:
        upto = self._upto(log_id)
        return [
            index
            for index, event in enumerate(self._tables.logs.get(log_id, ())[: max(upto - 1, 0)])
            if erased_hash(event.record) is None
        ]

    async def erase_events(self, log_id: UUID, limit: int) -> tuple[int, int]:
        """Erase the next events of a log."""
        if log_id not in self._tables.logs:
            return 0, 0
        left = self._left(log_id)
        for index in left[:limit]:
            event = self._tables.logs[log_id][index]
            at = self._codec.from_json(event.record).get("at")
            erased = event._replace(record=left_of(event.record, event.type, at))
            self._tables.logs[log_id][index] = erased
            self._tables.events[event.position - 1] = erased
        return len(left[:limit]), len(left[limit:])

    async def finish(self, log_id: UUID) -> None:
        """Take away what was kept beside the events of a log."""
        tables, upto = self._tables, self._upto(log_id)
        said = tables.logs[log_id][upto - 1]
        for key in [
            key
            for key, kept in tables.answers.items()
            if log_id in (key[0], kept.answer.session_id)
        ]:
            del tables.answers[key]
        tables.artifacts.pop(log_id, None)
        tables.pieces[:] = [piece for piece in tables.pieces if piece.session_id != log_id]
        tables.let_go_of_blobs(log_id)
        for scope_id, writes in tables.shared.items():
            gone = scope_id == log_id and said.type == "scope.erased"
            writes[:] = [
                one
                for one in writes
                if (one.session_id != log_id or one.sequence >= upto)
                and not (gone and one.position < said.position)
            ]
        listed = tables.listed.get(log_id)
        if listed is not None:
            data = self._codec.from_json(said.record)["data"]
            row = replace(listed.row, app=data["app"], user="", parent_id=None, forked_from=None)
            tables.listed[log_id] = Listed(row, listed.updated_at)
        self._finished[log_id] = upto

    async def footprint(self, session_id: UUID) -> Footprint:
        """Return how much there is of a session."""
        tables = self._tables
        named = [
            (one.owner, name)
            for (session, name), one in tables.blob_references.items()
            if session == session_id
        ]
        records = [one.record for one in tables.logs.get(session_id, ())]
        return Footprint(
            sum(len(record) for record in records if erased_hash(record) is None),
            0,
            sum(one.answer.session_id == session_id for one in tables.answers.values()),
            sum(one.session_id == session_id for all_ in tables.shared.values() for one in all_),
            sum(piece.session_id == session_id for piece in tables.pieces),
            len(named),
            sum(tables.blobs[key].blob.size for key in named if key in tables.blobs),
            sum(
                one.version.size
                for kept in tables.artifacts.get(session_id, {}).values()
                for one in kept
            ),
        )

    def _relations(self, wanted: Callable[[Listed], bool]) -> Sequence[Relation]:
        tables = self._tables
        return [
            Relation(session_id, listed.row.status, len(tables.logs[session_id]))
            for session_id, listed in sorted(tables.listed.items())
            if listed.row.status != "erased" and wanted(listed)
        ]

    async def forks_of(self, session_id: UUID) -> Sequence[Relation]:
        """Return the forks of a session that are not erased."""
        return self._relations(lambda listed: listed.row.forked_from == session_id)

    async def children_of(self, session_id: UUID) -> Sequence[Relation]:
        """Return the children of a session that are not erased."""
        return self._relations(lambda listed: listed.row.parent_id == session_id)

    async def sessions_of(self, app: str, user: str, after: UUID, limit: int) -> Sequence[Relation]:
        """Return sessions of a user that are not erased."""
        found = self._relations(lambda listed: (listed.row.app, listed.row.user) == (app, user))
        return [one for one in found if one.session_id > after][:limit]

    async def keys_in_force(self, session_id: UUID) -> Sequence[SharedKey]:
        """Return the values in force of shared keys that a session has written last."""
        found: list[SharedKey] = []
        for scope_id, writes in self._tables.shared.items():
            newest = {one.key: one for one in writes}
            found += [
                SharedKey(scope_id, one.key, one.value)
                for one in newest.values()
                if one.session_id == session_id and one.value is not None
            ]
        return sorted(found, key=lambda one: (one.key, one.scope_id))
