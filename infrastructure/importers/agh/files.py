"""The two files in which AGH keeps a session, as rows: for importing it, and for repair."""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from application.transfer.lines import LONGEST_LINE, FileFault
from infrastructure.importers.reading.source_files import SourceLine, lines_of
from infrastructure.importers.reading.tables import opened_tables, statements

_SQL = statements("agh")
_COLUMNS = frozenset({"id", "sequence", "turn_id", "type", "content"})

ReadLine = Callable[[bytes], Mapping[str, Any] | str]
"""Reads a line as an object, or says why it is none."""


class AghFile(NamedTuple):
    """A session as AGH keeps it.

    Args:
        native: What AGH calls it.
        meta: What the first line of a ledger says; nothing of a database.
        rows: In the order of the file, each with `id`, `seq`, `turn_id`, `type`, `agent_name`,
            `timestamp`, and `payload`, or the text of it in `payload_raw`. One that cannot be read
            has its bytes in `raw`, the number of its `line`, and `why`.
    """

    native: str
    meta: Mapping[str, Any]
    rows: Iterator[dict[str, Any]]


@contextmanager
def agh_database(path: Path) -> Generator[AghFile, None, None]:
    """Open an `events.db`, whose folder has the id of the session.

    Args:
        path: Of the file.

    Raises:
        FileFault: It is none.
    """
    with opened_tables(str(path)) as tables:
        if not tables.columns("events") >= _COLUMNS:
            raise FileFault(f"{path} has no events of AGH")
        yield AghFile(path.absolute().parent.name, {}, tables.records(_SQL["events"]))


def agh_ledger(path: Path, file: BinaryIO, read: ReadLine) -> AghFile:
    """Return the session in a `ledger.jsonl`.

    Args:
        path: Of the file.
        file: Is read line by line, while the rows are taken.
        read: Reads a line.

    Raises:
        FileFault: It is no ledger.
    """
    lines = (line for line in lines_of(file) if line.raw is None or line.raw.strip())
    first = next(lines, None)
    meta = "it is empty" if first is None else _read(first, read)
    if isinstance(meta, str) or meta.get("type") != "ledger_meta":
        raise FileFault(f"{path} is no ledger of AGH: its first line is no ledger_meta")
    native = meta.get("session_id")
    named = native if isinstance(native, str) and native.strip() else path.stem
    return AghFile(named, meta, _rows(lines, read))


def _rows(lines: Iterable[SourceLine], read: ReadLine) -> Iterator[dict[str, Any]]:
    for line in lines:
        value = _read(line, read)
        if isinstance(value, str):
            yield {"raw": line.raw or b"", "line": line.number, "why": value}
            continue
        content = value.get("content")
        yield {
            "id": value.get("event_id"),
            "seq": value.get("sequence"),
            "turn_id": value.get("turn_id"),
            "type": value.get("event_type"),
            "agent_name": value.get("agent_name"),
            "timestamp": value.get("timestamp"),
            # What was no JSON is kept there as a text.
            ("payload_raw" if isinstance(content, str) else "payload"): content,
        }


def _read(line: SourceLine, read: ReadLine) -> Mapping[str, Any] | str:
    if line.raw is None:
        return f"the line is longer than {LONGEST_LINE} bytes"
    return read(line.raw)
