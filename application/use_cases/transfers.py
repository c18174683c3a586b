"""Taking logs out of the store as files, and into it."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractContextManager, aclosing
from uuid import UUID

from application.arriving import Arriving
from application.commands.request import Caller
from application.errors import Busy, ImportRefused, NotAnExport, VersionConflict
from application.memory_budget import EXPORT_BYTES, Share
from application.reads.evidence.transparency import TransparencyLog
from application.tasks import ended
from application.transfer.bundles import Manifest, archive, compressed
from application.transfer.checking import Checker
from application.transfer.exporting.exports import Exports
from application.transfer.exporting.selecting import Selection
from application.transfer.imports import Importer, Written
from application.transfer.lines import FileFault
from application.transfer.plans import ImportPlan, LogBundle

Compress = Callable[[], tuple[Callable[[bytes], bytes], Callable[[], bytes]]]
"""Makes what compresses one stream: one that takes bytes, and one that gives the rest."""
OpenBundle = Callable[[Arriving], AbstractContextManager[LogBundle]]
"""Takes apart what is sent."""

_MOST_TOLD = 100


class Transfers:
    """Exports and imports.

    Args:
        identity: Of the store where the logs are.
        exports: Makes files of them.
        checker: Looks through what is to be imported.
        importer: Writes it.
        transparency: Signs the head of the log for bundles.
        memory: What exports take while they are made.
        compress: Compresses files.
        open_bundle: Takes apart what is sent.
    """

    def __init__(
        self,
        identity: str,
        exports: Exports,
        checker: Checker,
        importer: Importer,
        transparency: TransparencyLog,
        *,
        memory: Share,
        compress: Compress,
        open_bundle: OpenBundle,
    ) -> None:
        self._identity = identity
        self._exports = exports
        self._checker = checker
        self._importer = importer
        self._transparency = transparency
        self._memory = memory
        self._compress = compress
        self._open_bundle = open_bundle
        self._importing = asyncio.Lock()
        self._changes = 0
        """How often the writing of an import has begun or ended."""

    async def session(self, session_id: UUID, *, packed: bool) -> AsyncGenerator[bytes]:
        """Yield the export file of a session.

        Args:
            session_id: Which.
            packed: Compressed.

        Raises:
            SessionNotFound: There is none.
            Overloaded: Others take the memory for exports.
        """
        with self._memory.held(EXPORT_BYTES):
            file = await self._exports.files.session(session_id)
            async for piece in self._packed(file.pieces(), packed=packed):
                yield piece

    async def bundle(self, wanted: Selection, *, packed: bool) -> AsyncGenerator[bytes]:
        """Yield an archive of export files.

        Args:
            wanted: Which.
            packed: Compressed.

        Raises:
            SessionNotFound: One that was named is not there.
            Overloaded: Others take the memory for exports.
        """
        manifest = Manifest(self._identity)
        with self._memory.held(EXPORT_BYTES):
            if self._transparency.keys.signing and wanted.after is None:
                # Before the first file: whatever was signed is in one of them, if all are logs.
                manifest.checkpoint = (await self._transparency.checkpoint()).note
            files = self._exports.all(wanted, manifest)
            async for piece in self._packed(archive(files, manifest), packed=packed):
                yield piece

    async def _packed(
        self, pieces: AsyncGenerator[bytes], *, packed: bool
    ) -> AsyncGenerator[bytes]:
        if packed:
            pieces = compressed(pieces, *self._compress())
        async for piece in pieces:
            yield piece

    async def take(
        self, sent: Arriving, caller: Caller, *, dry_run: bool, quarantine: bool
    ) -> AsyncGenerator[ImportPlan | Written]:
        """Import what is sent: yield the plan first, then now and then how far it has come.

        What has come is looked through while the rest comes; nothing is written before all has.

        Args:
            sent: An export file or a bundle.
            caller: Who imports.
            dry_run: Only yield the plan.
            quarantine: Take damaged sessions too, and keep everybody from appending to them.

        Raises:
            NotAnExport: It is no export, or larger than is taken.
            ImportRefused: Some of it cannot be imported, and so nothing was.
            Busy: Another import is being written when all has come.
        """
        while True:
            seen = self._changes
            with self._open_bundle(sent) as bundle:
                plan = await self._planned(bundle, quarantine=quarantine)
                # All of it is here now: a sender who takes his time keeps nobody else waiting.
                if self._importing.locked():
                    raise Busy("another import is being written; try again when it is done")
                # What was planned before another import has written all may no longer hold.
                if self._changes == seen:
                    if dry_run:
                        yield plan
                        return
                    if plan.conflicts:
                        raise _refusal(plan)
                    async with aclosing(self._carried_out(plan, caller)) as steps:
                        async for step in steps:
                            yield step
                    return

    async def _planned(self, bundle: LogBundle, *, quarantine: bool) -> ImportPlan:
        try:
            return await self._checker.plan(bundle, quarantine=quarantine)
        except FileFault as fault:
            raise NotAnExport(str(fault)) from None

    async def _carried_out(
        self, plan: ImportPlan, caller: Caller
    ) -> AsyncGenerator[ImportPlan | Written]:
        """Write what is planned, and yield the plan and the newest of how far it has come.

        It is written as fast as it can be: whoever takes his time with what is yielded keeps nobody
        else from importing.
        """
        progress = _Progress()
        await self._importing.acquire()
        self._changes += 1
        writing = asyncio.create_task(self._write(plan, caller, progress))
        # Also when it is cancelled before it has begun.
        writing.add_done_callback(self._has_written)
        writing.add_done_callback(lambda _: progress.moved.set())
        try:
            yield plan
            while not writing.done() or progress.newest is not None:
                if (step := progress.take()) is not None:
                    yield step
                else:
                    await progress.moved.wait()
            await writing
        finally:
            writing.cancel()
            await ended(writing)

    def _has_written(self, _: object) -> None:
        self._changes += 1
        self._importing.release()

    async def _write(self, plan: ImportPlan, caller: Caller, progress: "_Progress") -> None:
        try:
            async with aclosing(self._importer.write(plan, caller)) as steps:
                async for written in steps:
                    progress.put(written)
        except VersionConflict as conflict:
            raise ImportRefused(
                f"log {conflict.facts.get('session_id')} was begun by somebody else while"
                " it was imported; what was written before it stays",
            ) from None


class _Progress:
    """How far an import has come, until somebody takes it."""

    def __init__(self) -> None:
        self.newest: Written | None = None
        self.moved = asyncio.Event()

    def put(self, written: Written) -> None:
        """Keep it instead of what nobody has taken."""
        self.newest = written
        self.moved.set()

    def take(self) -> Written | None:
        """Return the newest, once."""
        newest, self.newest = self.newest, None
        self.moved.clear()
        return newest


def _refusal(plan: ImportPlan) -> ImportRefused:
    many = len(plan.conflicts)
    first = plan.conflicts[0]
    return ImportRefused(
        f"{many} of it cannot be imported, so nothing was; {first.name}: {first.detail}",
        conflicts=[one.document() for one in plan.conflicts[:_MOST_TOLD]],
        conflicts_omitted=max(many - _MOST_TOLD, 0),
    )
