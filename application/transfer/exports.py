"""Logs as export files: one, those of a list, or all that there are."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from application.ports.log.census import Census
from application.ports.log.events import StoredEvent
from application.ports.session.blobs import BlobOwner
from application.ports.session.session_rows import After, SessionFilter, SessionOrder
from application.ports.session.shared_state import ScopeOwner
from application.ports.store import Store
from application.projections.shared_state import app_scope, scope_id, user_scope
from application.transfer.blob_files import BlobFile
from application.transfer.bundles import Manifest, SharedHistory, place_of
from application.transfer.lines import Header, identity_of
from application.transfer.log_file import LogFile, Selection, erased_upto
from domain.errors import Erased, SessionNotFound
from domain.log.erased_records import ERASING, erased_hash
from domain.scope.events import ScopeOpened
from domain.session.events import SessionCreated

_PAGE = 4000
_PAGE_BYTES = 2 * 1024 * 1024
_LISTED = 200
_BEFORE_ALL = UUID(int=0)
_SCOPES = ("scope.opened", "scope.erased")
_OLDEST_FIRST = SessionOrder("created_at", descending=False)


@dataclass(slots=True)
class _Progress:
    """What of a selection was exported so far."""

    owners: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    logs: set[UUID] = field(default_factory=set[UUID])
    blobs: set[tuple[BlobOwner, str]] = field(default_factory=set[tuple[BlobOwner, str]])
    last: UUID | None = None


class Exports:
    """Exports logs.

    Args:
        store: Where they are.
        census: Knows which there are.
    """

    def __init__(self, store: Store, census: Census) -> None:
        self._store = store
        self._census = census

    async def session(self, session_id: UUID) -> LogFile:
        """Return the export file of a session, of a deleted one too.

        Args:
            session_id: Which.

        Raises:
            SessionNotFound: There is none.
        """
        file = await self._open(session_id)
        if file is None or not file.name.startswith("sessions/"):
            raise SessionNotFound
        return file

    async def log(self, log_id: UUID) -> LogFile:
        """Return the export file of a log, be it of a session or of something else.

        Args:
            log_id: Which.

        Raises:
            SessionNotFound: There is none.
        """
        file = await self._open(log_id)
        if file is None:
            raise SessionNotFound
        return file

    async def all(
        self, wanted: Selection, manifest: Manifest
    ) -> AsyncGenerator[LogFile | BlobFile]:
        """Yield files, each before the blobs that it names, and complete a manifest.

        Args:
            wanted: Which.
            manifest: Gets the history of shared keys, and where to go on.

        Raises:
            SessionNotFound: There is none of one that was named.
        """
        progress = _Progress()
        number = 0
        manifest.whole = not wanted.session_ids and wanted.where is None
        ids = self._ids(wanted)
        async for log_id in ids:
            if number == wanted.limit:
                manifest.next = progress.last
                break
            file = await self._open(log_id)
            if file is None:
                if wanted.session_ids:
                    raise SessionNotFound(f"there is no session {log_id}")
                continue
            number += 1
            progress.last = log_id
            progress.logs.add(log_id)
            identity = file.header.identity
            if "app" in identity:
                progress.owners.add((identity["app"], identity["user"]))
            if file.header.scope is not None:
                progress.owners.add((file.header.scope.app, file.header.scope.user or ""))
            yield file
            if file.name.startswith("sessions/"):
                async for blob in self._blobs(log_id, progress):
                    yield blob
        await ids.aclose()
        manifest.shared_state += [one async for one in self._shared(progress)]

    async def _blobs(self, session_id: UUID, progress: _Progress) -> AsyncGenerator[BlobFile]:
        """Yield the blobs that a session names, as far as they are there and not exported yet."""
        blobs, after = self._store.blobs, None
        while page := await blobs.of_session(session_id, after=after, limit=_LISTED):
            after = page[-1].name
            for one in page:
                if one.blob is not None and (one.owner, one.name) not in progress.blobs:
                    progress.blobs.add((one.owner, one.name))
                    yield BlobFile(blobs, one.owner, one.blob)

    async def _ids(self, wanted: Selection) -> AsyncGenerator[UUID]:
        if wanted.session_ids:
            named = list(dict.fromkeys(wanted.session_ids))
            after = wanted.after
            start = 0 if after is None or after not in named else named.index(after) + 1
            for session_id in named[start:]:
                yield session_id
        elif wanted.where is not None:
            async for log_id in self._listed(wanted.where, wanted.after):
                yield log_id
        else:
            after = wanted.after or _BEFORE_ALL
            while page := await self._census.sessions(after, _LISTED, changed_since=0):
                for log_id in page:
                    yield log_id
                after = page[-1]

    async def _listed(self, where: SessionFilter, after: UUID | None) -> AsyncGenerator[UUID]:
        scopes = []
        if where == SessionFilter(app=where.app, user=where.user) and where.app is not None:
            scopes = [scope_id(where.app, where.user)]
        place: After | None = None
        if after is not None and after not in scopes:
            row = await self._store.session_rows.session(after)
            if row is not None:
                place = After(row.created_at, after)
        elif after is None:
            for scope in scopes:
                yield scope
        while True:
            page = await self._store.session_rows.sessions(where, _OLDEST_FIRST, place, _LISTED)
            for listed in page:
                yield listed.session_id
            if len(page) < _LISTED:
                return
            place = After(page[-1].created_at, page[-1].session_id)

    async def _open(self, log_id: UUID) -> LogFile | None:
        """Return the file of a log as it is now; None when there is no such log."""
        log = self._store.log
        first = await log.read(log_id, limit=_PAGE, most_bytes=_PAGE_BYTES)
        if not first:
            return None
        newest, said = first[-1], erased_upto(first)
        if _is_full(first):
            (newest,) = await log.read_newest(log_id, last=1)
            upto = newest.sequence
            said = erased_upto(
                await log.read_newest(log_id, last=1, upto=upto, types=tuple(ERASING))
            )
        first = await self._as_said(first, said)
        event: object = self._store.codec.decode(first[0]).event
        identity: dict[str, Any] = {}
        origin: dict[str, Any] | None = None
        scope: ScopeOwner | None = None
        if isinstance(event, SessionCreated):
            identity = identity_of(event)
            if event.forked_from is not None:
                origin = {
                    "session_id": str(event.forked_from.session_id),
                    "sequence": event.forked_from.sequence,
                    "digest": event.forked_from.digest,
                }
        elif isinstance(event, ScopeOpened):
            scope = ScopeOwner(event.app, event.user)
        elif first[0].type in _SCOPES and (opened := await self._opened_anew(log_id)):
            scope = ScopeOwner(opened.app, opened.user)
        header = Header(
            store=self._store.identity,
            session_id=log_id,
            events=newest.sequence,
            head=newest.sequence,
            digest=newest.digest,
            identity=identity,
            forked_from=origin,
            scope=scope,
        )
        rest = self._rest(log_id, first[-1].sequence, newest.sequence, said)
        place = place_of(log_id, first[0].type)
        return LogFile(place, header, first, rest, lambda: self.log(log_id))

    async def _as_said(self, page: Sequence[StoredEvent], said: int) -> Sequence[StoredEvent]:
        """Return events as a log has them that is whole, or erased up to a sequence.

        Raises:
            Erased: There are events that were erased since the log was opened.
        """
        if any(one.sequence > said and erased_hash(one.record) is not None for one in page):
            raise Erased
        asked = [
            one.position for one in page if one.sequence < said and erased_hash(one.record) is None
        ]
        if not asked:
            return page
        left = await self._store.log.left_of_erased(asked)
        return [one._replace(record=left.get(one.position, one.record)) for one in page]

    async def _opened_anew(self, log_id: UUID) -> ScopeOpened | None:
        """Return how a scope was opened after it was erased; None when it was not."""
        for stored in await self._store.log.read_newest(log_id, last=1, types=("scope.opened",)):
            event: object = self._store.codec.decode(stored).event
            if isinstance(event, ScopeOpened):
                return event
        return None

    async def _rest(
        self, log_id: UUID, after: int, upto: int, said: int
    ) -> AsyncGenerator[Sequence[StoredEvent]]:
        """Yield the pages behind a sequence; the next one is read while one is being taken."""

        async def read(after: int) -> Sequence[StoredEvent]:
            return await self._store.log.read(
                log_id, after=after, upto=upto, limit=_PAGE, most_bytes=_PAGE_BYTES
            )

        if after >= upto:
            return
        reading = asyncio.create_task(read(after))
        try:
            while True:
                page = await reading
                if not page:
                    return
                if page[-1].sequence < upto:
                    reading = asyncio.create_task(read(page[-1].sequence))
                yield await self._as_said(page, said)
                if page[-1].sequence >= upto:
                    return
        finally:
            reading.cancel()
            await asyncio.wait((reading,))

    async def _shared(self, progress: _Progress) -> AsyncGenerator[SharedHistory]:
        """Yield the writes of the exported logs to the keys that they share."""
        scopes: dict[UUID, ScopeOwner] = {}
        for app, user in sorted(progress.owners):
            scopes[app_scope(app)] = ScopeOwner(app, None)
            if user:
                scopes[user_scope(app, user)] = ScopeOwner(app, user)
        for scope, owner in scopes.items():
            history = SharedHistory(scope, owner)
            after = 0
            while page := await self._store.shared_state.writes(scope, after=after, limit=_PAGE):
                history.writes += [one for one in page if one.session_id in progress.logs]
                after = page[-1].position
            if history.writes:
                yield history


def _is_full(page: Sequence[StoredEvent]) -> bool:
    return len(page) == _PAGE or sum(len(event.record) for event in page) >= _PAGE_BYTES
