"""The files of Claude Code: which are sessions, which are of sub-agents, which are copies."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from application.transfer.foreign import Tally
from application.transfer.lines import FileFault
from infrastructure.importers.reading.folders import files_of
from infrastructure.importers.reading.line_writers import refuse_lines_of_others
from infrastructure.importers.reading.source_files import document_of, lines_of, opened
from infrastructure.importers.reading.torn_lines import entries_of
from infrastructure.importers.reading.values import object_of, text_of

_TIME = re.compile(rb'"timestamp":"([^"]{10,40})"')
_MODEL = re.compile(rb'"model":"([^"<]{1,100})"')
_FORKED = re.compile(rb'"forkedFrom":\{"sessionId":"([^"]{1,100})"')


class ChildFile(NamedTuple):
    """The file of a sub-agent.

    Args:
        path: Of the file.
        key: What it is called, within its parent.
        role: What it is for.
        call_id: The call of its parent that began it, if that is known.
    """

    path: Path
    key: str
    role: str
    call_id: str | None


@dataclass(slots=True)
class SessionFile:
    """The file of a session.

    Args:
        path: Of the file.
        native: The id of the session there.
        first: The first time in it.
        last: The last one.
        forked_from: The session that it says to be a copy of.
        model: The first one in it.
        children: Of its sub-agents.
    """

    path: Path
    native: str
    first: str = ""
    last: str = ""
    forked_from: str | None = None
    model: str | None = None
    children: list[ChildFile] = field(default_factory=list[ChildFile])


def projects_of(place: str) -> Iterator[Iterator[SessionFile]]:
    """Give the sessions of each project, origins before their copies.

    Args:
        place: A folder of projects or of one project, or the file of one session.

    Raises:
        FileFault: There are none, or a file is of another program.
    """
    projects: dict[Path, list[SessionFile]] = {}
    loose: list[Path] = []
    for path in files_of(place, lambda name: name.endswith(".jsonl")):
        if "subagents" in path.parts or path.name.startswith("agent-"):
            loose.append(path)
        else:
            with opened(path) as file:
                refuse_lines_of_others(path, lines_of(file), "claude-code")
            projects.setdefault(path.parent, []).append(_peek(path))
    for path in loose if not Path(place).is_file() else ():
        _give_to_parent(path, projects)
    if Path(place).is_file():
        for found in chain.from_iterable(projects.values()):
            folder = found.path.with_suffix("") / "subagents"
            if folder.is_dir():
                for path in files_of(str(folder), lambda name: name.endswith(".jsonl")):
                    _give_to_parent(path, projects)
    if not projects:
        raise FileFault(f"{place} has no session of Claude Code")
    for sessions in projects.values():
        yield _origins_first(sessions)


def _peek(path: Path) -> SessionFile:
    found = SessionFile(path, path.stem)
    with opened(path) as file:
        for line in lines_of(file):
            raw = line.raw or b""
            time = _TIME.search(raw)
            if time is not None:
                found.last = max(found.last, time[1].decode("ascii", "replace"))
                found.first = found.first or found.last
            if found.model is None and (model := _MODEL.search(raw)):
                found.model = model[1].decode("utf-8", "replace")
            if found.forked_from is None and (forked := _FORKED.search(raw)):
                found.forked_from = forked[1].decode("utf-8", "replace")
    return found


def _origins_first(sessions: Iterable[SessionFile]) -> Iterator[SessionFile]:
    """Give sessions by their first time, but none before the one that it is a copy of."""
    waiting = sorted(sessions, key=lambda found: (found.first, found.last, found.native))
    by_name = {found.native: found for found in waiting}
    given: set[str] = set()
    for found in waiting:
        line = [found]
        while (origin := by_name.get(line[-1].forked_from or "")) is not None:
            if origin in line or origin.native in given:
                break
            line.append(origin)
        for one in reversed(line):
            if one.native not in given:
                given.add(one.native)
                yield one


def _give_to_parent(path: Path, projects: dict[Path, list[SessionFile]]) -> None:
    """Add the file of a sub-agent to the session whose folder, or whose name in it, it has."""
    if "subagents" in path.parts:
        top = path.parts.index("subagents")
        folder = Path(*path.parts[:top])
        project, native = folder.parent, folder.name
    else:
        project, native = path.parent, _session_of(path)
    meta: Any = {}
    beside = path.with_suffix(".meta.json")
    if beside.is_file() and not beside.is_symlink():
        meta = object_of(document_of(beside))
    role = text_of(meta.get("agentType")) or "agent"
    child = ChildFile(path, path.stem, role, text_of(meta.get("toolUseId")))
    for found in projects.get(project, ()):
        if found.native == native:
            found.children.append(child)
            return
    projects.setdefault(project, []).append(_peek(path))


def _session_of(path: Path) -> str:
    with opened(path) as file:
        for entry in entries_of(lines_of(file), Tally()):
            native = text_of(entry.value.get("sessionId"))
            if native is not None:
                return native
    return ""
