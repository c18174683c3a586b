"""Logs as export files: those of a list, or all that there are, with what belongs to them."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from uuid import UUID

from application.ports.blobs.blob import BlobOwner
from application.ports.blobs.reading import BlobReads
from application.ports.log.whole_log import WholeLog
from application.ports.session.shared_state import ScopeOwner, SharedState
from application.projections.shared_state import app_scope, user_scope
from application.transfer.blob_files import BlobFile
from application.transfer.bundles import Manifest, SharedHistory
from application.transfer.exporting.log_files import LogFile, LogFiles
from application.transfer.exporting.selecting import SelectedLogs, Selection
from domain.errors import SessionNotFound

_OPENED = 3
"""How many logs are opened at a time, with a page of each in memory."""
_WRITES = 4000
_LISTED = 200


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
        log: Knows how far it has come.
        files: Opens logs as files.
        selected: Knows which logs are wanted.
        blobs: What sessions name.
        shared_state: The keys that sessions share.
    """

    def __init__(
        self,
        log: WholeLog,
        files: LogFiles,
        selected: SelectedLogs,
        blobs: BlobReads,
        shared_state: SharedState,
    ) -> None:
        self._log = log
        self.files = files
        """Opens one log."""
        self._selected = selected
        self._blob_reads = blobs
        self._shared_state = shared_state

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
        manifest.began = began = await self._log.head() if began is None else began
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
        ids = self._selected.ids(wanted)
        opening: deque[tuple[UUID, asyncio.Task[LogFile | None]]] = deque()
        try:
            while True:
                while len(opening) < _OPENED and (log_id := await anext(ids, None)) is not None:
                    opening.append((log_id, asyncio.create_task(self.files.opened(log_id, began))))
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
        blobs, after = self._blob_reads, None
        while page := await blobs.of_session(session_id, after=after, limit=_LISTED):
            after = page[-1].name
            for one in page:
                if one.blob is not None and (one.owner, one.name) not in progress.blobs:
                    progress.blobs.add((one.owner, one.name))
                    yield BlobFile(blobs, one.owner, one.blob)

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
            while page := await self._shared_state.writes(scope, after=after, limit=_WRITES):
                history.writes += [one for one in page if one.session_id in progress.logs]
                after = page[-1].position
            if history.writes:
                yield history
