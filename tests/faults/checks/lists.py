"""What lists show of a session is what its log comes to, at any moment.

The fold here is one of its own, of the few fields that the load changes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from tests.faults.checks.commands import logs_of
from tests.faults.checks.violation import Violation
from tests.faults.history import History, Read, Row, Stored

_STATUS = {
    "turn.started": "running",
    "turn.completed": "idle",
    "turn.cancelled": "idle",
    "turn.failed": "idle",
    "permission.requested": "waiting",
    "session.stopped": "stopped",
    "session.deleted": "deleted",
}


@dataclass(frozen=True, slots=True)
class _Shown:
    title: str | None = None
    status: str = "idle"
    starred: bool = False
    tags: list[str] = field(default_factory=list[str])


def lists_equal_the_fold(history: History) -> Iterator[Violation]:
    """Hold rows that were read, and the lists in the end, against the log."""
    logs = logs_of(history)
    shown = {session: _fold(log) for session, log in logs.items()}
    for read in history.of(Read):
        if read.way == "row" and read.session in shown and read.head <= len(shown[read.session]):
            fold = shown[read.session][read.head - 1]
            found = (read.title, read.status, read.starred)
            if found != (fold.title, fold.status, fold.starred):
                words = f"{read.session} at {read.head} was shown as {found} and is {fold}"
                yield Violation("list", words)
    rows = history.of(Row)
    for row in rows:
        log = logs.get(row.session)
        if log is None:
            yield Violation("list", f"{row.session} is listed and has no events")
            continue
        if (row.sequence, row.position) != (log[-1].sequence, log[-1].position):
            words = f"{row.session} is listed at {row.sequence}, its log ends at {log[-1].sequence}"
            yield Violation("list", words)
        fold = shown[row.session][-1]
        if _Shown(row.title, row.status, row.starred, row.tags) != fold:
            yield Violation("list", f"{row} is listed, and its log comes to {fold}")
    listed = {row.session for row in rows}
    if len(listed) != len(rows):
        yield Violation("list", "a session is listed twice")
    for session, folds in shown.items():
        if session not in listed and folds[-1].status != "deleted":
            yield Violation("list", f"{session} is not listed")


def _fold(log: Sequence[Stored]) -> list[_Shown]:
    found: list[_Shown] = []
    now = _Shown()
    pending = set[object]()
    for event in log:
        if event.type == "permission.requested":
            pending.add(event.data["request_id"])
        elif event.type == "permission.decided":
            pending.discard(event.data["request_id"])
        match event.type:
            case "session.created" | "session.renamed":
                title = event.data.get("title")
                now = replace(now, title=None if title is None else str(title))
            case "session.starred" | "session.unstarred":
                now = replace(now, starred=event.type == "session.starred")
            case "session.tagged":
                tags = event.data["tags"]
                assert isinstance(tags, list)
                now = replace(now, tags=[*map(str, tags)])
            case "permission.decided":
                now = replace(now, status="waiting" if pending else "running")
            case _:
                now = replace(now, status=_STATUS.get(event.type, now.status))
        found.append(now)
    return found
