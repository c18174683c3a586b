"""Logs in files, as rows for the analyser: a line or a row at a time, whatever the file's size."""

import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Literal
from uuid import UUID

from api.cli.options import UsageError
from api.composition.agh_files import AghFile, agh_database, agh_ledger
from application.transfer.lines import FileFault
from domain.log.chain import genesis
from domain.log.erased_records import erased_hash
from domain.repair.analyser import Analyser, Facts, analyse
from domain.repair.cairn_rows import CairnRows
from domain.repair.foreign_rows import ForeignRows
from domain.repair.report import Options, Report
from domain.repair.rows import Row, Unreadable, decoded, failure_of, object_of, place_of, text_of

Format = Literal["cairn", "rows", "agh-ledger", "agh-db"]
LONGEST_LINE = 16 * 1024 * 1024
_EVENT = re.compile(
    rb'\{"session_id":"([0-9a-f-]{36})","sequence":(\d{1,19}),"position":(\d{1,19}),'
    rb'"digest":"([0-9a-f]{64})",'
)


def analyse_file(path: Path, form: Format, options: Options) -> Report:
    """Return the report of a log in a file.

    Args:
        path: The file.
        form: How it is written.
        options: How to analyse.

    Raises:
        UsageError: It cannot be looked at; the message says why.
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise UsageError(f"{path} is a folder; name the file in it.")
        if form == "agh-db":
            if not stat.S_ISREG(mode):
                raise UsageError(f"{path} is no regular file, and a database must be one.")
            return _database(path, options)
        with path.open("rb") as file:
            lines = _lines(file)
            match form:
                case "cairn":
                    return _export(path, lines, options)
                case "rows":
                    return _rows(path, lines, options)
                case "agh-ledger":
                    return _ledger(path, file, options)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None


def _lines(file: BinaryIO) -> Iterator[bytes | None]:
    """Give the lines of a file that are not blank; None for one that is too long."""
    while line := file.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
            while line and not line.endswith(b"\n"):
                line = file.readline(LONGEST_LINE)
            yield None
        elif stripped := line.strip():
            yield stripped


def _object(line: bytes | None) -> Mapping[str, Any]:
    if line is None:
        raise Unreadable(f"the line is longer than {LONGEST_LINE} bytes")
    value = object_of(decoded(line))
    if value is None:
        raise Unreadable("the line is no object")
    return value


def _first(path: Path, lines: Iterator[bytes | None], what: str) -> Mapping[str, Any]:
    try:
        return _object(next(lines, b""))
    except Unreadable as error:
        raise UsageError(f"{path} does not begin with {what}: {error}.") from None


def _unreadable(number: int, why: Unreadable) -> Row:
    return Row(None, problems=[("invalid_event_json", f"line {number}: {why}")])


# ── rows of another system ───────────────────────────────────────────────────────────────────


def _rows(path: Path, lines: Iterator[bytes | None], options: Options) -> Report:
    session = object_of(_first(path, lines, "the line of its session").get("session"))
    if session is None:
        raise UsageError(
            f'{path} must begin with a line {{"session": {{"id": ..., "state": ...}}}}.'
        )
    reader = ForeignRows(session)

    def rows() -> Iterator[Row]:
        for number, line in enumerate(lines, 2):
            try:
                yield reader.row(_object(line))
            except Unreadable as why:
                yield _unreadable(number, why)

    facts = Facts(source="import", standing=reader.standing)
    return analyse(rows(), facts, options, reader)


def _ledger(path: Path, file: BinaryIO, options: Options) -> Report:
    def read(raw: bytes) -> Mapping[str, Any] | str:
        try:
            return _object(raw)
        except Unreadable as why:
            return str(why)

    try:
        return _of_agh(agh_ledger(path, file, read), options)
    except FileFault as fault:
        raise UsageError(f"{fault}.") from None


def _database(path: Path, options: Options) -> Report:
    try:
        with agh_database(path) as found:
            return _of_agh(found, options)
    except FileFault as fault:
        raise UsageError(f"{fault}.") from None


def _of_agh(found: AghFile, options: Options) -> Report:
    """Return the report of a log that says itself how its session stopped; or that it never did."""
    reader = ForeignRows({"id": found.native, "state": "stopped", "stop_reason": "agent_crashed"})
    analyser = Analyser(reader, options)
    for value in found.rows:
        if "raw" in value:
            analyser.row(_unreadable(value["line"], Unreadable(value["why"])))
            continue
        analyser.row(reader.row(value))
        if value.get("type") == "session_stopped":
            told = _payload_of(value)
            reader.standing = reader.standing._replace(
                stop_reason=text_of(told.get("stop_reason")) or "",
                failure=failure_of(told.get("failure")),
            )
    return analyser.report(Facts(source="import", standing=reader.standing))


def _payload_of(value: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        payload = value.get("payload") or decoded(value.get("payload_raw") or "{}")
    except Unreadable:
        return {}
    return object_of(payload) or {}


# ── an export of Cairn ───────────────────────────────────────────────────────────────────────


def _export(path: Path, lines: Iterator[bytes | None], options: Options) -> Report:
    first = next(lines, b"")
    header: Mapping[str, Any] = {}
    found = _EVENT.match(first or b"")
    if found:
        session_id = found[1].decode()
    else:
        header = _first(path, iter([first]), "an event or the header of an export")
        session_id = text_of(header.get("session_id")) or ""
    try:
        begins = genesis(UUID(session_id))
    except ValueError:
        raise UsageError(f"{path} does not say of which session it is.") from None
    reader = CairnRows(session_id)
    analyser = Analyser(reader, options, begins)
    if found:
        analyser.row(_event(reader, session_id, 1, first))
    for number, line in enumerate(lines, 2):
        analyser.row(_event(reader, session_id, number, line))
    integrity = analyser.integrity
    head = place_of(header.get("head"))
    kept = None
    if head is not None:
        try:
            digest = bytes.fromhex(str(header.get("digest")))
        except ValueError:
            digest = b""
        kept = (head, digest, integrity.position or 0)
    return analyser.report(
        Facts(
            source="import",
            standing=reader.standing,
            found=reader.unexplained,
            head=kept,
            keeps_head=kept is not None,
        )
    )


def _event(reader: CairnRows, session_id: str, number: int, line: bytes | None) -> Row:
    place = _EVENT.match(line or b"")
    if line is None or place is None:
        return _unreadable(number, Unreadable("it is no event as Cairn exports it"))
    if place[1].decode() != session_id:
        return _unreadable(number, Unreadable("it is an event of another session"))
    sequence, position = int(place[2]), int(place[3])
    record = b"{" + line[place.end() :]
    return reader.row(
        sequence,
        None,
        record,
        position=position,
        digest=bytes.fromhex(place[4].decode()),
        erased_hash=erased_hash(record),
    )
