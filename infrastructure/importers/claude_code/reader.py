"""Claude Code: its projects folder, or one file of it, with the sub-agents beside it."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any
from uuid import UUID

from application.transfer.foreign import (
    Draft,
    ForeignSession,
    ForkPoint,
    Tally,
    foreign_session_id,
)
from application.transfer.lines import FileFault
from domain.values import Agent
from infrastructure.importers.choices import Choices
from infrastructure.importers.claude_code.entries import TRANSCRIPT, ClaudeMapper
from infrastructure.importers.claude_code.files import SessionFile, projects_of
from infrastructure.importers.drafting.family import end_child, lineage_of, note_child
from infrastructure.importers.drafting.foreign_session import foreign_session
from infrastructure.importers.drafting.session import SessionDrafter
from infrastructure.importers.reading.source_files import lines_of, opened
from infrastructure.importers.reading.torn_lines import Entry, entries_of, is_something_else
from infrastructure.importers.reading.values import NO_TIME, moment_of, name_of, object_of, text_of

SOURCE = "claude-code"
_DESCRIBING = ("custom-title", "ai-title", "tag", "summary")
_FIELDS = {"cwd": "cwd", "gitBranch": "git_branch", "version": "version"}


def read_claude_code(place: str, choices: Choices) -> Iterator[ForeignSession]:
    """Yield the sessions of a folder or of one file.

    Args:
        place: Of the projects, of one project, or of one session.
        choices: How they are placed.

    Raises:
        FileFault: There are none.
    """
    if not Path(place).is_dir():
        with opened(Path(place)) as file:
            if is_something_else(lines_of(file)):
                raise FileFault(
                    f"{place} is no session of Claude Code: none of its lines is an object"
                )
    for sessions in projects_of(place):
        reader = _Project(choices)
        for found in sessions:
            yield from reader.session(found)


class _Project:
    """Reads the sessions of one project, which know of each other's entries."""

    def __init__(self, choices: Choices) -> None:
        self._choices = choices
        self._places: dict[str, ForkPoint] = {}

    def session(self, found: SessionFile) -> Iterator[ForeignSession]:
        """Yield a session, then its sub-agents."""
        tally = Tally()
        side: dict[str, list[Entry]] = {}
        session_id = foreign_session_id(SOURCE, found.native)
        with opened(found.path) as file:
            entries = entries_of(lines_of(file), tally)
            yield self._begun(found, session_id, entries, side, tally)
        for child in found.children:
            with opened(child.path) as file:
                inner = Tally()
                entries = entries_of(lines_of(file), inner)
                yield self._child(found, child.key, child.role, entries, inner)
        for root, kept in side.items():
            yield self._child(found, f"side-{root}", "sidechain", iter(kept), Tally())

    def _begun(
        self,
        found: SessionFile,
        session_id: UUID,
        entries: Iterator[Entry],
        side: dict[str, list[Entry]],
        tally: Tally,
    ) -> ForeignSession:
        """Read over what is copied from another session, and go on from there."""
        before: list[Entry] = []
        origin: ForkPoint | None = None
        about: dict[str, Any] = {}
        for entry in entries:
            value = entry.value
            about |= {n: value[f] for f, n in _FIELDS.items() if f in value and n not in about}
            if value.get("type") not in TRANSCRIPT:
                before.append(entry)
                continue
            copied = object_of(value.get("forkedFrom")).get("messageUuid")
            place = self._places.get(str(copied)) or self._places.get(str(value.get("uuid")))
            if place is None:
                before.append(entry)
                break
            tally.notes["inherited_entry"] += 1
            origin = place
            before = [one for one in before if one.value.get("type") in _DESCRIBING]
        drafter = SessionDrafter(
            SOURCE,
            session_id,
            moment_of(found.first, self._choices, Tally()) or NO_TIME,
            tally,
            name=found.native,
            is_fork=origin is not None,
        )
        return foreign_session(
            drafter,
            self._drafts(drafter, found, chain(before, entries), side),
            self._choices,
            key=[found.native],
            about=about,
            agent=_agent(found.model),
            forked_from=origin,
        )

    def _drafts(
        self,
        drafter: SessionDrafter,
        found: SessionFile,
        entries: Iterable[Entry],
        side: dict[str, list[Entry]],
    ) -> Iterator[Draft]:
        by_call = {child.call_id: child for child in found.children if child.call_id}
        waiting = dict(by_call)
        chains: dict[str, str] = {}

        def on_call(call_id: str) -> None:
            child = waiting.pop(call_id, None)
            if child is not None:
                note_child(drafter, self._child_id(found, child.key), child.role, 1)

        mapper = ClaudeMapper(drafter, self._choices, on_call)
        seen: dict[str, int] = {}
        for entry in entries:
            if entry.value.get("isSidechain") is True:
                root = self._side(entry, chains, side)
                if root is not None:
                    note_child(drafter, self._child_id(found, f"side-{root}"), "sidechain", 1)
            else:
                self._one(drafter, mapper, entry, seen)
            yield from drafter.take()
        mapper.finish(lambda uuid: uuid in seen)
        for child in found.children:
            if child.call_id is None or child.call_id in waiting:
                note_child(drafter, self._child_id(found, child.key), child.role, 1)
        drafter.finish()
        yield from drafter.take()

    def _one(
        self, drafter: SessionDrafter, mapper: ClaudeMapper, entry: Entry, seen: dict[str, int]
    ) -> None:
        value = entry.value
        if entry.raw is not None:
            drafter.item(drafter.at)
            drafter.unreadable(f"line {entry.number}", entry.reason, entry.raw)
            return
        uuid = text_of(value.get("uuid")) if value.get("type") in TRANSCRIPT else None
        if uuid is not None:
            told = hash(repr(value.get("message")))
            if uuid in seen:
                drafter.tally.notes["duplicate_dropped"] += 1
                if seen[uuid] != told:
                    drafter.item(drafter.at)
                    drafter.verbatim("revised", value)
                return
            seen[uuid] = told
        mapper.map(value)
        if uuid is not None:
            self._places.setdefault(uuid, ForkPoint(drafter.session_id, drafter.sequence))

    def _side(
        self, entry: Entry, chains: dict[str, str], side: dict[str, list[Entry]]
    ) -> str | None:
        """Put an entry of a sub-agent aside; return the root of its chain when it is the first."""
        uuid = text_of(entry.value.get("uuid")) or f"line-{entry.number}"
        parent = text_of(entry.value.get("parentUuid"))
        root = chains.get(parent or "", uuid)
        chains[uuid] = root
        is_new = root not in side
        side.setdefault(root, []).append(entry)
        return root if is_new else None

    def _child_id(self, found: SessionFile, key: str) -> UUID:
        return foreign_session_id(SOURCE, found.native, key)

    def _child(
        self, found: SessionFile, key: str, role: str, entries: Iterator[Entry], tally: Tally
    ) -> ForeignSession:
        parent_id = foreign_session_id(SOURCE, found.native)
        child_id = self._child_id(found, key)
        first = next(entries, None)
        value: Mapping[str, Any] = {} if first is None else first.value
        began = moment_of(value.get("timestamp"), self._choices, Tally()) or NO_TIME
        drafter = SessionDrafter(SOURCE, child_id, began, tally, name=f"{found.native}/{key}")
        rest = entries if first is None else chain([first], entries)
        return foreign_session(
            drafter,
            self._child_drafts(drafter, rest),
            self._choices,
            key=[found.native, key],
            agent=_agent(found.model),
            lineage=lineage_of(parent_id, parent_id, 1, role),
        )

    def _child_drafts(self, drafter: SessionDrafter, entries: Iterable[Entry]) -> Iterator[Draft]:
        mapper, seen = ClaudeMapper(drafter, self._choices, lambda _: None), dict[str, int]()
        for entry in entries:
            self._one(drafter, mapper, entry, seen)
            yield from drafter.take()
        mapper.finish(lambda uuid: uuid in seen)
        end_child(drafter)
        drafter.finish()
        yield from drafter.take()


def _agent(model: str | None) -> Agent:
    return Agent(name=SOURCE, model=None if model is None else name_of(model, "unknown"))
