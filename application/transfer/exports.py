"""Logs as export files: one, those of a list, or all that there are."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from application.ports.blobs.blob import BlobOwner
from application.ports.log.census import Census
from application.ports.log.events import StoredEvent
from application.ports.session.listing import After, SessionFilter, SessionOrder
from application.ports.session.shared_state import ScopeOwner
from application.ports.store import Store
from application.projections.shared_state import app_scope, scope_id, user_scope
from application.transfer.blob_files import BlobFile
from application.transfer.bundles import Manifest, SharedHistory, place_of
from application.transfer.lines import Header, Line, identity_of
from application.transfer.log_file import LogFile, LogPages, Selection
from domain.errors import SessionNotFound
from domain.scope.events import ScopeOpened
from domain.session.events import SessionCreated

_OPENED = 3
"""How many logs are opened at a time, with a page of each in memory."""
_WRITES = 4000
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
        self._pages = LogPages(store.log)

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
            SessionNotFound: One that was named is not there.
        """
        progress = _Progress()
        number = 0
        manifest.whole = not wanted.session_ids and wanted.where is None
        # A later session may be a fork of one that is exported already, at an event behind that.
        began = wanted.began
        manifest.began = began = await self._store.log.head() if began is None else began
        files = self._files(wanted, None if wanted.session_ids else began)
        async for log_id, file in files:
            if number == wanted.limit:
                manifest.next = progress.last
                break
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
        await files.aclose()
        manifest.shared_state += [one async for one in self._shared(progress)]

    async def _files(
        self, wanted: Selection, began: int | None
    ) -> AsyncGenerator[tuple[UUID, LogFile | None]]:
        """Yield logs and their files; the next ones are opened while one is being taken."""
        ids = self._ids(wanted)
        opening: deque[tuple[UUID, asyncio.Task[LogFile | None]]] = deque()
        try:
            while True:
                while len(opening) < _OPENED and (log_id := await anext(ids, None)) is not None:
                    opening.append((log_id, asyncio.create_task(self._open(log_id, began))))
                if not opening:
                    return
                # Whoever takes a file may not wait for anything: the database is asked before.
                await asyncio.sleep(0)
                log_id, file = opening.popleft()
                yield log_id, await file
        finally:
            left = [file for _, file in opening]
            for file in left:
                file.cancel()
            await asyncio.gather(*left, return_exceptions=True)
            await ids.aclose()

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

    async def _open(self, log_id: UUID, began: int | None = None) -> LogFile | None:
        """Return the file of a log as it is now; None when there is none that began by then."""
        opened = await self._pages.opened(log_id)
        if opened is None:
            return None
        first, place = opened.first, place_of(log_id, opened.first.type)
        row = None
        if place.startswith("logs/"):
            # The beginning of a session may be damaged, and its log is evidence all the same.
            row = await self._store.session_rows.session(log_id)
            place = place if row is None else place_of(log_id, "session.created")
        if began is not None and first.position > began and place.startswith("sessions/"):
            return None
        event: object = self._store.codec.decode(_stored(log_id, first)).event
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
        elif row is not None:
            told = {"app": row.app, "user": row.user, "title": row.title}
            identity = {name: value for name, value in told.items() if value is not None}
        elif isinstance(event, ScopeOpened):
            scope = ScopeOwner(event.app, event.user)
        elif first.type in _SCOPES and (anew := await self._opened_anew(log_id)):
            scope = ScopeOwner(anew.app, anew.user)
        header = Header(
            store=self._store.identity,
            session_id=log_id,
            events=opened.head,
            head=opened.head,
            digest=opened.digest,
            identity=identity,
            forked_from=origin,
            scope=scope,
        )
        rest = None
        if opened.last.sequence < opened.head:
            rest = self._pages.rest(log_id, opened)
        return LogFile(place, header, opened.lines, rest, lambda: self.log(log_id))

    async def _opened_anew(self, log_id: UUID) -> ScopeOpened | None:
        """Return how a scope was opened after it was erased; None when it was not."""
        for stored in await self._store.log.read_newest(log_id, last=1, types=("scope.opened",)):
            event: object = self._store.codec.decode(stored).event
            if isinstance(event, ScopeOpened):
                return event
        return None

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
            while page := await self._store.shared_state.writes(scope, after=after, limit=_WRITES):
                history.writes += [one for one in page if one.session_id in progress.logs]
                after = page[-1].position
            if history.writes:
                yield history


def _stored(log_id: UUID, line: Line) -> StoredEvent:
    return StoredEvent(log_id, line.sequence, line.position, line.type, line.record, line.digest)
