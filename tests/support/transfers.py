"""Exports and imports over any store, as bytes."""

import io
import re
import tarfile
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from tempfile import TemporaryFile
from typing import Any
from uuid import UUID, uuid4

from api.composition.over_store import (
    checker_over,
    exports_over,
    importer_over,
    repository_over,
    scope_handler_over,
)
from application.commands.request import Caller
from application.commands.scope_handler import ScopeHandler
from application.fan_out import FanOut
from application.ports.log.append import Append
from application.ports.log.census import Census
from application.ports.log.events import Envelope, NewEvent
from application.ports.session.shared_state import ScopeOwner
from application.ports.store import Store
from application.projections.session_row import session_row
from application.projections.shared_state import scope_id, shared_writes
from application.transfer.bundles import Manifest, archive
from application.transfer.exporting.exports import Exports
from application.transfer.exporting.selecting import Selection
from application.transfer.plans import ImportPlan
from domain.log.catalogue import Event
from domain.log.chain import genesis, link, record_hash
from domain.scope.events import ScopeOpened
from domain.session.events import Recorded, SessionCreated
from domain.session.evolve import evolve
from domain.session.family.forks import inherited
from domain.session.state import ABSENT, Session
from domain.timers import Timers
from infrastructure.memory.log.census import MemoryCensus
from infrastructure.memory.store import MemoryStore
from infrastructure.memory.tables import Tables
from infrastructure.records.record_check import spelling_fault_of
from infrastructure.transfer.unpacking import Bundle, UnpackLimits
from tests.support.builders import at

IMPORTER = Caller("user:importer", "http")
_POSITION = re.compile(rb'"position":\d+')


@dataclass
class Place:
    """A store, and what goes out of it and into it."""

    store: Store
    census: Census

    @property
    def exports(self) -> Exports:
        return exports_over(self.store, self.census)

    async def export(self, wanted: Selection | None = None) -> bytes:
        """Return a bundle as an archive."""
        manifest = Manifest(self.store.identity)
        files = self.exports.all(wanted or Selection(), manifest)
        return b"".join([piece async for piece in archive(files, manifest)])

    async def export_session(self, session_id: UUID) -> bytes:
        """Return the export file of a session."""
        file = await self.exports.files.session(session_id)
        return b"".join([piece async for piece in file.pieces()])

    async def plan(self, content: bytes, *, quarantine: bool = False) -> ImportPlan:
        """Return what the import of a file or a bundle comes to."""
        with TemporaryFile() as raw:
            raw.write(content)
            with Bundle(raw, UnpackLimits()) as bundle:
                checker = checker_over(self.store, spelling_fault_of)
                return await checker.plan(bundle, quarantine=quarantine)

    async def take_in(
        self,
        content: bytes,
        *,
        quarantine: bool = False,
        most_steps: int | None = None,
        scope_handler: ScopeHandler | None = None,
    ) -> ImportPlan:
        """Import a file or a bundle, or only a part of it."""
        with TemporaryFile() as raw:
            raw.write(content)
            with Bundle(raw, UnpackLimits()) as bundle:
                checker = checker_over(self.store, spelling_fault_of)
                plan = await checker.plan(bundle, quarantine=quarantine)
                assert not plan.conflicts, plan.conflicts
                fan_out = FanOut()
                importer = importer_over(
                    self.store,
                    repository_over(self.store),
                    scope_handler or scope_handler_over(self.store, fan_out),
                    fan_out,
                    Timers(),
                )
                steps = importer.write(plan, IMPORTER)
                number = 0
                async for _ in steps:
                    number += 1
                    if number == most_steps:
                        break
                await steps.aclose()
                return plan


def memory_place() -> Place:
    """Return a new place in memory."""
    tables = Tables()
    return Place(MemoryStore(tables=tables), MemoryCensus(tables))


def appending(place: Place, append: Callable[[Append], Awaitable[int]]) -> Place:
    """Return a place to whose log a function appends."""
    log, store = place.store.log, place.store

    def of_log(_: object, name: str) -> object:
        return append if name == "append" else getattr(log, name)

    def of_store(_: object, name: str) -> object:
        return watched if name == "log" else getattr(store, name)

    watched = type("WatchedLog", (), {"__getattr__": of_log})()
    return replace(place, store=type("WatchedStore", (), {"__getattr__": of_store})())


def files_of(bundle: bytes) -> dict[str, bytes]:
    """Return the files of an archive by their names."""
    with tarfile.open(fileobj=io.BytesIO(bundle)) as opened:
        found: dict[str, bytes] = {}
        for member in opened:
            content = opened.extractfile(member)
            assert content is not None
            found[member.name] = content.read()
        return found


def archive_of(files: Mapping[str, bytes] | Iterable[tuple[str, bytes]]) -> bytes:
    """Return an archive without a manifest."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.GNU_FORMAT) as made:
        for name, content in files.items() if isinstance(files, Mapping) else files:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            made.addfile(info, io.BytesIO(content))
    return target.getvalue()


def rechained(
    lines: list[bytes], log_id: UUID, records: Callable[[int, bytes], bytes]
) -> list[bytes]:
    """Return lines with other records, and with digests that cover them."""
    digest, made = genesis(log_id), []
    for number, line in enumerate(lines, 1):
        record = records(number, b"{" + line[line.index(b'"id"') :])
        digest = link(digest, record_hash(record))
        place = re.sub(rb'"digest":"[0-9a-f]{64}"', b'"digest":"%s"' % digest.hex().encode(), line)
        made.append(place[: place.index(b'"id"')] + record[1:])
    return made


def same_but_for_positions(bundle: bytes) -> dict[str, bytes]:
    """Return the logs of a bundle as they are in every store: without headers and positions."""
    return {
        name: _POSITION.sub(b'"position":0', content.partition(b"\n")[2])
        for name, content in files_of(bundle).items()
        if name.endswith(".jsonl")
    }


End = tuple[int, bytes, Session, ScopeOwner]
"""The sequence and the digest at the end of a log, the state there, and whose log it is."""


@dataclass
class Populated:
    """Fills a store event by event, with events that no command need ever make."""

    store: Store
    ends: dict[UUID, tuple[int, bytes, Session, ScopeOwner]] = field(
        default_factory=dict[UUID, Any]
    )

    async def add(self, log_id: UUID, *events: Event) -> None:
        """Add events to the log of a session, or of the scope that the first one opens."""
        sequence, digest, session, owner = self.ends.get(
            log_id, (0, genesis(log_id), ABSENT, ScopeOwner("", None))
        )
        codec = self.store.codec
        append = Append(log_id, sequence, made := list[NewEvent](), at(sequence + len(events)))
        for offset, event in enumerate(events):
            sequence += 1
            if isinstance(event, SessionCreated) and sequence == 1:
                if event.forked_from is not None:
                    session = inherited(self.ends[event.forked_from.session_id][2])
                owner = ScopeOwner(event.owner.app, event.owner.user)
            if isinstance(event, ScopeOpened):
                owner = ScopeOwner(event.app, event.user)
            name, record = codec.encode(event, Envelope(uuid4(), at(sequence), "user:ada", "http"))
            digest = link(digest, record_hash(record))
            recorded = Recorded(sequence, at(sequence), event, None)  # type: ignore[arg-type]
            session = evolve(session, recorded)
            made.append(NewEvent(name, record, digest))
            append.shared = [
                *append.shared,
                *shared_writes(owner.app, owner.user, event, offset, codec),
            ]
        if log_id == scope_id(owner.app, owner.user):
            append.scope = owner
        else:
            append.row = session_row(log_id, session, codec, Timers())
        self.ends[log_id] = sequence, digest, session, owner
        await self.store.log.append(append)
