"""What an import comes to before it is written: which logs, from where on, what is wrong."""

from collections.abc import AsyncGenerator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol
from uuid import UUID

from application.transfer.blob_files import BlobSource, PlannedBlob
from application.transfer.lines import Header

Kind = Literal["sessions", "scopes", "accesses", "logs"]

_MOST_CONFLICTS = 1000


class LogSource(Protocol):
    """The file of one log in what is imported."""

    @property
    def name(self) -> str:
        """In the bundle."""
        ...

    def lines(self) -> Iterator[bytes | None]:
        """Give its lines without their ends; None for one that is too long, and then no more."""
        ...

    def sum(self) -> tuple[int, str]:
        """Return the size and the SHA-256 of its bytes as they came."""
        ...


class BlobFileSource(BlobSource, Protocol):
    """The file of a blob, and its sum."""

    def sum(self) -> tuple[int, str]:
        """Return the size and the SHA-256 of its bytes as they came."""
        ...


class LogBundle(Protocol):
    """What is imported."""

    def files(self) -> AsyncGenerator[LogSource]:
        """Give one for each log, as soon as it is there.

        Raises:
            FileFault: It is nothing that can be imported.
        """
        ...

    @property
    def blobs(self) -> Mapping[str, "BlobFileSource"]:
        """Files of blobs, by their names in the bundle; known behind the last log."""
        ...

    @property
    def manifest(self) -> Mapping[str, Any] | None:
        """What is said of them; None for a single file. Known behind the last log."""
        ...


class ImportConflict(NamedTuple):
    """Why something cannot be imported.

    Args:
        name: Of the file.
        session_id: Whose log, if that is known.
        code: A stable word.
        detail: One sentence.
    """

    name: str
    session_id: UUID | None
    code: str
    detail: str

    def document(self) -> dict[str, Any]:
        """Return it as reports show it."""
        session_id = None if self.session_id is None else str(self.session_id)
        return {**self._asdict(), "session_id": session_id}


class SharedStep(NamedTuple):
    """An event that writes keys which sessions share: these are imported in their old order."""

    store: str
    position: int
    log_id: UUID
    sequence: int


@dataclass(slots=True)
class PlannedLog:
    """A log that is to be imported.

    Args:
        source: Its file.
        header: What the file says of it.
        kind: Whose log it is.
        start: The sequence up to which the store has it.
        is_held: It goes into quarantine.
        origin: The log and the sequence that it was forked from, if it was.
        parent: The session that spawned it, if one did.
    """

    source: LogSource
    header: Header
    kind: Kind
    start: int = 0
    is_held: bool = False
    origin: tuple[UUID, int] | None = None
    parent: UUID | None = None

    @property
    def is_there(self) -> bool:
        """Whether the store has all of it."""
        return self.start >= self.header.head


@dataclass(slots=True)
class ImportPlan:
    """What is to be written, and what keeps it from being written.

    Args:
        logs: By their ids.
        conflicts: With any, nothing is written.
        shared: In the order in which they happened.
        left_out: Names of files that are no part of an import.
        blobs: What is kept before the logs that name it.
    """

    logs: dict[UUID, PlannedLog] = field(default_factory=dict[UUID, PlannedLog])
    conflicts: list[ImportConflict] = field(default_factory=list[ImportConflict])
    shared: list[SharedStep] = field(default_factory=list[SharedStep])
    left_out: list[str] = field(default_factory=list[str])
    blobs: list[PlannedBlob] = field(default_factory=list[PlannedBlob])

    def refuse(self, name: str, log_id: UUID | None, code: str, detail: str) -> None:
        """Note what keeps the import from being written, unless that is known of so many things.

        Args:
            name: Of the file.
            log_id: Of the log in it; None when it is about no log.
            code: What is wrong.
            detail: One sentence.
        """
        if len(self.conflicts) < _MOST_CONFLICTS:
            self.conflicts.append(ImportConflict(name, log_id, code, detail))

    def document(self, *, dry_run: bool) -> dict[str, Any]:
        """Return the report.

        Args:
            dry_run: Nothing was, or is to be, written.
        """
        new = [log for log in self.logs.values() if not log.is_there]
        sessions = [log for log in new if log.kind == "sessions"]
        return {
            "dry_run": dry_run,
            "sessions": len(sessions),
            "other_logs": len(new) - len(sessions),
            "events": sum(log.header.head - log.start for log in new),
            "already_there": len(self.logs) - len(new),
            "resumed": sum(log.start > 0 for log in new),
            "quarantined": [str(log.header.session_id) for log in new if log.is_held],
            "left_out": self.left_out,
            "blobs": len(self.blobs),
            "conflicts": [one.document() for one in self.conflicts],
        }
