"""Looking through all that is to be imported before anything of it is written."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any
from uuid import UUID

from application.ports.log.codec import Codec
from application.ports.log.session_logs import SessionLogs
from application.ports.session.session_rows import RowLookup
from application.ports.session.shared_state import ScopeOwner
from application.projections.shared_state import scope_id
from application.transfer.blob_files import planned_of
from application.transfer.bundles import FILE_NAME, place_of
from application.transfer.lines import FileFault, Header, event_of, header_of, stored_of
from application.transfer.log_check import LogCheck, LogRefused, SpellingFault
from application.transfer.plans import (
    ImportPlan,
    LogBundle,
    LogSource,
    PlannedLog,
)
from domain.errors import Invalid
from domain.log.catalogue import NAMES
from domain.log.erased_records import ERASING, erased_hash
from domain.repair.rows import decoded
from domain.scope.events import ScopeOpened
from domain.session.events import UNREADABLE, SessionCreated

_AT_ONCE = 1000
_LOOKED_AT = "look at it with `cairn repair --file FILE --format cairn`"
_TAKEN_AS_IT_IS = "with --quarantine it is taken as it is, and nobody can append to it"

_OURS = frozenset(name for name, _ in NAMES.values()) | {UNREADABLE}
"""Types of events with which no log of another program begins."""


class Checker:
    """Plans an import.

    Args:
        log: What is there already.
        codec: Reads records.
        rows: Which sessions there are.
        spelling_fault: Judges records.
    """

    def __init__(
        self, log: SessionLogs, codec: Codec, rows: RowLookup, spelling_fault: SpellingFault
    ) -> None:
        self._log = log
        self._codec = codec
        self._rows = rows
        self._spelling_fault = spelling_fault

    async def plan(self, bundle: LogBundle, *, quarantine: bool) -> ImportPlan:
        """Return what an import comes to.

        Args:
            bundle: What is to be imported.
            quarantine: Take damaged sessions too, and keep everybody from appending to them.
        """
        plan = ImportPlan()
        sources: list[LogSource] = []
        origins: dict[UUID, tuple[UUID, int, bytes]] = {}
        async for source in bundle.files():
            sources.append(source)
            log_id: UUID | None = None
            try:
                log, origin = self._begin(source)
                if log.header.session_id in plan.logs:
                    raise LogRefused("two_files", "another file is of the same log")
                if log.kind == "accesses":
                    plan.left_out.append(source.name)
                    continue
                log_id = log.header.session_id
                plan.logs[log_id] = log
                if origin is not None:
                    origins[log_id] = origin
                await self._look_through(plan, log, quarantine=quarantine)
            except (FileFault, LogRefused) as fault:
                code = fault.code if isinstance(fault, LogRefused) else "not_an_export"
                plan.refuse(source.name, log_id, code, str(fault))
        await _hold_against_manifest(bundle, sources, plan)
        await _plan_blobs(bundle, plan)
        found = await _digests_of(plan, origins.values())
        for log_id, origin in origins.items():
            await self._check_origin(plan, log_id, origin, found)
        plan.shared.sort()
        return plan

    def _begin(self, source: LogSource) -> tuple[PlannedLog, tuple[UUID, int, bytes] | None]:
        """Return a log by the first two lines of its file, and where it was forked."""
        lines = source.lines()
        header = header_of(next(lines, b"") or b"", source.name)
        line = next(lines, None)
        event = event_of(line) if line else None
        if event is None:
            raise LogRefused("damaged", "line 2 is no event as Cairn exports it")
        named = FILE_NAME.fullmatch(source.name)
        place = place_of(header.session_id, event.type)
        if named is not None and source.name.removesuffix(".zst") != place:
            raise LogRefused("wrong_place", f"by what it says its place is {place}")
        kind: Any = place.partition("/")[0]
        log = PlannedLog(source, header, kind)
        first: object = self._codec.decode(stored_of(header.session_id, event)).event
        origin = None
        if isinstance(first, SessionCreated):
            if first.lineage is not None:
                log.parent = first.lineage.parent_id
            if first.forked_from is not None:
                forked = first.forked_from
                log.origin = forked.session_id, forked.sequence
                origin = forked.session_id, forked.sequence, _hex(forked.digest)
        elif erased_hash(event.record) is not None or event.type in ERASING:
            log.header = replace(header, scope=_own_scope(header))
        elif log.kind == "sessions" or (log.kind == "logs" and event.type in _OURS):
            raise LogRefused("damaged", "its first event, which begins it, cannot be read")
        elif log.kind == "scopes":
            if not isinstance(first, ScopeOpened):
                raise LogRefused("damaged", "its first event cannot be read")
            if scope_id(first.app, first.user) != header.session_id:
                raise LogRefused("damaged", "its id is not that of the scope which it names")
            log.header = replace(header, scope=ScopeOwner(first.app, first.user))
        return log, origin

    async def _look_through(self, plan: ImportPlan, log: PlannedLog, *, quarantine: bool) -> None:
        """Check a log from its first event to its last, and against what the store has of it."""
        log_id = log.header.session_id
        newest = await self._log.read_newest(log_id, last=1)
        stored_head = newest[0].sequence if newest else 0
        reading = LogCheck(log.header, {stored_head}, self._read, self._codec, self._spelling_fault)
        for _ in reading.steps(_events_of(log.source)):
            await asyncio.sleep(0)
        plan.shared += reading.shared
        damage = reading.damage()
        if damage is not None:
            if not quarantine or log.kind != "sessions":
                way_out = _TAKEN_AS_IT_IS if log.header.blocked else _LOOKED_AT
                raise LogRefused("damaged", f"{damage}; {way_out}")
            log.is_held = True
            log.header = replace(log.header, head=reading.events, digest=reading.digest)
        if not newest:
            return
        stored_digest = newest[0].digest
        met = reading.digests.get(stored_head)
        if stored_head >= log.header.head:
            (there,) = await self._log.read(log_id, after=log.header.head - 1, limit=1)
            stored_digest, met = there.digest, log.header.digest
        await self._join(log, stored_head, same=stored_digest == met)

    async def _join(self, log: PlannedLog, stored_head: int, same: bool) -> None:
        """Go on where the store has a part of the log, or all of it."""
        head, log_id = log.header.head, log.header.session_id
        if not same:
            raise LogRefused("another_chain", "the store has a log with this id and other events")
        log.start = min(stored_head, head)
        if log.kind != "sessions":
            return
        row = await self._rows.session(log_id)
        is_held = row is not None and row.held is not None
        if log.is_held and not is_held:
            raise LogRefused("another_chain", "the store has this session without the damage")
        if stored_head < head and not is_held:
            raise LogRefused(
                "another_chain",
                f"the store has this session up to event {stored_head}, and the file goes on to"
                f" {head}: one of the two was cut, or both went on",
            )

    async def _check_origin(
        self,
        plan: ImportPlan,
        log_id: UUID,
        origin: tuple[UUID, int, bytes],
        found: dict[tuple[UUID, int], bytes],
    ) -> None:
        origin_id, sequence, digest = origin
        log = plan.logs[log_id]
        there = found.get((origin_id, sequence))
        if there is None:
            # A store may have gone on behind the file of the origin.
            stored = await self._log.read(origin_id, after=sequence - 1, limit=1)
            there = stored[0].digest if stored else None
        row = await self._rows.session(origin_id)
        if row is not None and row.status == "erased":
            code = "erased_origin"
            detail = f"it is a fork of {origin_id}, which is erased here"
        elif there is None:
            code = "missing_origin"
            detail = f"it is a fork of {origin_id} at {sequence}, which is neither here nor there"
        elif there != digest:
            code = "another_origin"
            detail = f"it is a fork of {origin_id}, whose event {sequence} is another one"
        else:
            return
        if not log.is_there:
            plan.refuse(log.source.name, log_id, code, detail)

    def _read(self, raw: bytes) -> Any:
        try:
            return self._codec.from_json(raw)
        except ValueError:
            return decoded(raw)


async def _hold_against_manifest(
    bundle: LogBundle, sources: Sequence[LogSource], plan: ImportPlan
) -> None:
    if bundle.manifest is None:
        return
    try:
        told = {str(one["name"]): (one["bytes"], one["sha256"]) for one in bundle.manifest["files"]}
    except (KeyError, TypeError):
        plan.refuse("manifest.json", None, "manifest_mismatch", "it lists no files")
        return
    for source in sources:
        said = told.pop(source.name, None)
        if said is None:
            detail = "the manifest does not name this file"
        elif await asyncio.to_thread(source.sum) != said:
            detail = "its size or its SHA-256 is not what the manifest says"
        else:
            continue
        plan.refuse(source.name, None, "manifest_mismatch", detail)
    for name in told:
        plan.refuse(name, None, "manifest_mismatch", "the manifest names it, and it is gone")


async def _digests_of(
    plan: ImportPlan, origins: Iterable[tuple[UUID, int, bytes]]
) -> dict[tuple[UUID, int], bytes]:
    """Return the digests of the events after which logs were forked, of origins that are planned.

    Which ones are asked for is known only when all logs were looked through.
    """
    wanted: dict[UUID, set[int]] = {}
    for origin_id, sequence, _ in origins:
        if origin_id in plan.logs:
            wanted.setdefault(origin_id, set()).add(sequence)
    found: dict[tuple[UUID, int], bytes] = {}
    for origin_id, sequences in wanted.items():
        lines = islice(_events_of(plan.logs[origin_id].source), max(sequences))
        for sequence, line in enumerate(lines, 1):
            if sequence % _AT_ONCE == 0:
                await asyncio.sleep(0)
            if sequence in sequences and (event := event_of(line or b"")) is not None:
                found[origin_id, sequence] = event.digest
    return found


async def _plan_blobs(bundle: LogBundle, plan: ImportPlan) -> None:
    """Look through the blobs of a bundle; without a manifest nobody knows whose they are."""
    if bundle.manifest is None:
        plan.left_out += bundle.blobs
        return
    left = dict(bundle.blobs)
    for name, source in bundle.blobs.items():
        _, digest = await asyncio.to_thread(source.sum)
        if digest != name.removeprefix("blobs/"):
            plan.refuse(name, None, "manifest_mismatch", "its SHA-256 is not that of its name")
    for entry in bundle.manifest.get("blobs", ()):
        try:
            source = bundle.blobs[entry["name"]]
            plan.blobs.append(planned_of(entry, source))
            left.pop(entry["name"], None)
        except (KeyError, TypeError):
            plan.refuse("manifest.json", None, "manifest_mismatch", "it names a blob that is gone")
        except Invalid as error:
            plan.refuse("manifest.json", None, "manifest_mismatch", f"of a blob: {error}")
    for name in left:
        plan.refuse(name, None, "manifest_mismatch", "the manifest does not name this file")


def _events_of(source: LogSource) -> Iterator[bytes | None]:
    lines = source.lines()
    next(lines, None)
    return lines


def _own_scope(header: Header) -> ScopeOwner | None:
    """Return whose scope an erased log is of, as far as that is told and true."""
    owner = header.scope
    is_own = owner is not None and scope_id(owner.app, owner.user) == header.session_id
    return owner if is_own else None


def _hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""
