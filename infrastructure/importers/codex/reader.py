"""Codex: its folder of rollouts, or one of them; pages, forks and sub-agents come together."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

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
from infrastructure.importers.codex.lines import CodexMapper
from infrastructure.importers.codex.ordinals import Ordinals
from infrastructure.importers.drafting.family import end_child, lineage_of, note_child
from infrastructure.importers.drafting.foreign_session import foreign_session
from infrastructure.importers.drafting.session import SessionDrafter
from infrastructure.importers.reading.folders import files_of, opened_lines
from infrastructure.importers.reading.line_writers import refuse_lines_of_others
from infrastructure.importers.reading.torn_lines import Entry, entries_of, is_something_else
from infrastructure.importers.reading.values import (
    NO_TIME,
    count_of,
    moment_of,
    name_of,
    object_of,
    text_of,
)

SOURCE = "codex"
_HEADER_WITHIN = 3
"""In which lines of a file its header is looked for."""
_NAMED = re.compile(r"rollout-.*?-([0-9a-f]{8}-[0-9a-f-]{27})(?:_[0-9a-f-]{36})?\.jsonl(\.zst)?")
_KEPT = ("cwd", "originator", "cli_version", "git", "model_provider", "history_mode", "source")


@dataclass(slots=True)
class _Thread:
    """A thread of Codex, in one file or in several pages.

    Args:
        native: Its id.
        meta: What its first line says of it.
        pages: Its files, the first one first, each with the line of its own header.
    """

    native: str
    meta: Mapping[str, Any]
    pages: list[tuple[Path, Mapping[str, Any]]] = field(
        default_factory=list[tuple[Path, Mapping[str, Any]]]
    )

    @property
    def forked_from(self) -> str | None:
        """The thread that it is a copy of."""
        return text_of(self.meta.get("forked_from_id"))

    @property
    def parent(self) -> str | None:
        """The thread that began it."""
        spawned = object_of(object_of(self.spawn))
        return text_of(spawned.get("parent_thread_id"))

    @property
    def spawn(self) -> Mapping[str, Any]:
        """What is known of its beginning as a sub-agent."""
        source = object_of(self.meta.get("source"))
        return object_of(object_of(source.get("subagent")).get("thread_spawn"))


def read_codex(place: str, choices: Choices) -> Iterator[ForeignSession]:
    """Yield the threads of a folder or of one file.

    Args:
        place: A folder of rollouts, or one of them, compressed or not.
        choices: How they are placed.

    Raises:
        FileFault: There are none, or a file is of another program.
    """
    threads: dict[str, _Thread] = {}
    is_folder = Path(place).is_dir()
    if not is_folder:
        with opened_lines(Path(place)) as lines:
            if is_something_else(lines):
                raise FileFault(f"{place} is no rollout of Codex: none of its lines is an object")
    for path in files_of(place, lambda name: _NAMED.fullmatch(name) is not None):
        # A file hides what was made of it when it was compressed.
        if is_folder and path.suffix == ".zst" and path.with_suffix("").exists():
            continue
        with opened_lines(path) as lines:
            refuse_lines_of_others(path, lines, SOURCE)
        meta = _header(path)
        named = _NAMED.fullmatch(path.name)
        native = text_of(meta.get("id")) or (named[1] if named else path.stem)
        thread = threads.setdefault(native, _Thread(native, meta))
        if object_of(meta.get("history_base")):
            thread.pages.append((path, meta))
        else:
            thread.meta = meta
            thread.pages.insert(0, (path, meta))
    if not threads:
        raise FileFault(f"{place} has no rollout of Codex")
    reader = _Threads(threads, choices)
    for thread in reader.in_order():
        yield reader.session(thread)


def _header(path: Path) -> Mapping[str, Any]:
    """Return what the first lines of a file say of it; of one without a header, its first time."""
    began: dict[str, Any] = {}
    with opened_lines(path) as lines:
        for entry in islice(entries_of(lines, Tally()), _HEADER_WITHIN):
            value = entry.value
            if value.get("type") == "session_meta":
                return object_of(value.get("payload"))
            if "id" in value and "type" not in value:
                return value
            if not began and "timestamp" in value:
                began = {"timestamp": value["timestamp"]}
    return began


class _Threads:
    """Reads threads that know of each other."""

    def __init__(self, threads: Mapping[str, _Thread], choices: Choices) -> None:
        self._threads = threads
        self._choices = choices
        self._copied = {one.forked_from for one in threads.values() if one.forked_from}
        self._lines: dict[str, list[tuple[bytes, int]]] = {}

    def in_order(self) -> Iterator[_Thread]:
        """Give threads by the names of their files, but none before its origin or its parent."""
        given: set[str] = set()
        waiting = sorted(self._threads.values(), key=lambda thread: str(thread.pages[0][0].name))
        for thread in waiting:
            line = [thread]
            while (name := line[-1].forked_from or line[-1].parent) is not None:
                before = self._threads.get(name)
                if before is None or before in line or before.native in given:
                    break
                line.append(before)
            for one in reversed(line):
                if one.native not in given:
                    given.add(one.native)
                    yield one

    def session(self, thread: _Thread) -> ForeignSession:
        """Return a thread."""
        tally, session_id = Tally(), foreign_session_id(SOURCE, thread.native)
        meta, lines = thread.meta, self._entries(thread, tally)
        origin = None
        if thread.forked_from in self._lines:
            lines, origin = self._after_copy(thread, lines, tally)
        lineage = None
        parent = self._threads.get(thread.parent or "")
        if parent is not None:
            parent_id = foreign_session_id(SOURCE, parent.native)
            depth = count_of(thread.spawn.get("depth")) or 1
            lineage = lineage_of(parent_id, self._root(parent), depth, _role(thread))
        began = moment_of(meta.get("timestamp"), self._choices, tally) or NO_TIME
        drafter = SessionDrafter(
            SOURCE, session_id, began, tally, name=thread.native, is_fork=origin is not None
        )
        about = {name: meta[name] for name in _KEPT if meta.get(name)}
        return foreign_session(
            drafter,
            self._drafts(drafter, thread, lines, is_child=lineage is not None),
            self._choices,
            key=[thread.native],
            about=about,
            agent=Agent(name=SOURCE),
            lineage=lineage,
            forked_from=origin,
        )

    def _root(self, thread: _Thread) -> UUID:
        seen = {thread.native}
        while (above := self._threads.get(thread.parent or "")) is not None:
            if above.native in seen:
                break
            seen.add(above.native)
            thread = above
        return foreign_session_id(SOURCE, thread.native)

    def _entries(self, thread: _Thread, tally: Tally) -> Iterator[Entry]:
        """Give the lines of all pages, without what is dead of one that another goes on from."""
        for number, (path, _) in enumerate(thread.pages):
            ends = None
            if number + 1 < len(thread.pages):
                base = object_of(thread.pages[number + 1][1].get("history_base"))
                ends = count_of(base.get("end_byte_offset"))
            with opened_lines(path, ends) as lines:
                for entry in entries_of(lines, tally):
                    if entry.number > 1 or entry.value != thread.meta:
                        yield entry

    def _after_copy(
        self, thread: _Thread, entries: Iterator[Entry], tally: Tally
    ) -> tuple[Iterator[Entry], ForkPoint | None]:
        """Read over the lines that a fork has from its origin, whose times were written anew."""
        there = self._lines[thread.forked_from or ""]
        until = count_of(thread.meta.get("forked_from_ordinal_exclusive"))
        next(entries, None)
        point: int | None = None
        left: Iterator[Entry] = iter(())
        for entry, (told, sequence) in zip(entries, chain(there, repeat((b"", 0))), strict=False):
            ordinal = entry.value.get("ordinal")
            is_past = until is not None and isinstance(ordinal, int) and ordinal >= until
            if is_past or told != _told(entry):
                left = chain((entry,), entries)
                break
            point = sequence
            tally.notes["inherited_line"] += 1
        return left, self._point(thread, point)

    def _point(self, thread: _Thread, sequence: int | None) -> ForkPoint | None:
        if sequence is None:
            return None
        return ForkPoint(foreign_session_id(SOURCE, thread.forked_from or ""), sequence)

    def _drafts(
        self, drafter: SessionDrafter, thread: _Thread, entries: Iterable[Entry], *, is_child: bool
    ) -> Iterator[Draft]:
        inherited = count_of(thread.meta.get("subagent_history_start_ordinal")) or 0
        lines = self._lines.setdefault(thread.native, []) if self._is_copied(thread) else None
        children = {
            one.native: one for one in self._threads.values() if one.parent == thread.native
        }

        def on_child(native: str) -> None:
            child = children.pop(native, None)
            if child is not None:
                self._note(drafter, child)

        mapper, ordinals = CodexMapper(drafter, self._choices, on_child), Ordinals(drafter.tally)
        if instructions := _instructions(thread.meta):
            drafter.verbatim("instructions", instructions)
        for entry in entries:
            if ordinals.next(entry.value.get("ordinal")) < inherited:
                drafter.tally.notes["inherited_line"] += 1
            elif entry.raw is not None:
                drafter.item(drafter.at)
                drafter.unreadable(f"line {entry.number}", entry.reason, entry.raw)
            elif entry.value.get("type") != "session_meta":
                mapper.map(entry.value)
            if lines is not None:
                lines.append((_told(entry), drafter.sequence))
            yield from drafter.take()
        mapper.finish()
        for child in children.values():
            self._note(drafter, child)
        if is_child:
            end_child(drafter)
        drafter.finish()
        yield from drafter.take()

    def _is_copied(self, thread: _Thread) -> bool:
        return thread.native in self._copied

    def _note(self, drafter: SessionDrafter, child: _Thread) -> None:
        depth = count_of(child.spawn.get("depth")) or 1
        note_child(drafter, foreign_session_id(SOURCE, child.native), _role(child), depth)


def _role(thread: _Thread) -> str:
    return name_of(thread.spawn.get("agent_role"), "agent")


def _instructions(meta: Mapping[str, Any]) -> Any:
    return meta.get("base_instructions") or meta.get("instructions")


def _told(entry: Entry) -> bytes:
    """Return what stands in a line, whatever its time."""
    if entry.raw is not None:
        return sha256(entry.raw).digest()
    value = entry.value
    said = [value.get("type"), value.get("payload", value)]
    return sha256(msgspec.json.encode(said, order="sorted")).digest()
