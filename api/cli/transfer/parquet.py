"""`cairn export --format parquet`: events as a table, for analysis; needs the extra `parquet`."""

import os
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import IO, Any, cast

import msgspec

from api.cli.options import Failure, UsageError
from api.cli.transfer.progress import Progress
from api.cli.transfer.server import TransferServer
from domain.counted import counted

SCHEMA_VERSION = b"1"
_PART = 500
"""The most logs that are asked for at once."""
_TAR = "application/x-tar"
_READ = 1024 * 1024
_ROWS, _BYTES = 50_000, 32 * 1024 * 1024
"""Rows and bytes of data at which a group of rows is written."""
_KINDS = {"sessions": "session", "scopes": "scope", "accesses": "access"}
_COLUMNS = (
    ("session_id", "string", False), ("kind", "string", False), ("app", "string", True),
    ("user", "string", True), ("sequence", "int64", False), ("position", "int64", False),
    ("type", "string", False), ("version", "int32", True), ("at", "timestamp", True),
    ("id", "string", True), ("actor", "string", True), ("origin", "string", True),
    ("turn_id", "string", True), ("causation", "string", True), ("erased", "bool", False),
    ("digest", "string", False), ("data", "string", True),
)  # fmt: skip
"""Name, type, and whether it may be null; `docs/export-import.md` says what they mean."""


class _Event(msgspec.Struct):
    """An event as a line of an export has it; of an erased one less is left."""

    session_id: str
    sequence: int
    position: int
    digest: str
    type: str
    v: int | None = None
    at: str | None = None
    id: str | None = None
    actor: str | None = None
    origin: str | None = None
    turn_id: str | None = None
    causation: str | None = None
    erased: bool = False
    data: msgspec.Raw = msgspec.Raw()


class _Header(msgspec.Struct):
    store: str = ""
    identity: Mapping[str, Any] = {}
    scope: Mapping[str, Any] | None = None


class _Manifest(msgspec.Struct):
    next: str | None = None


_event, _header = msgspec.json.Decoder(_Event).decode, msgspec.json.Decoder(_Header).decode


def export_table(
    asked: Mapping[str, Any], output: Path, *, url: str, token_file: Path | None
) -> None:
    """Write the events of sessions as one table, and say how many there were.

    The file has its name when it is complete. What was ended half-way is begun again.

    Args:
        asked: Which sessions, as `POST /v1/sessions/batch/export` takes it.
        output: Where to, a name that ends in `.parquet`.
        url: Where the server is.
        token_file: Holds the bearer token.

    Raises:
        UsageError: The name is another one, or is taken, or pyarrow is not installed.
        Failure: It cannot be done now.
    """
    if output.suffix != ".parquet":
        raise UsageError(f"{output}: a table has a name that ends in .parquet.")
    if output.exists():
        raise UsageError(f"{output} is there already; name another path.")
    part = output.with_name(f"{output.name}.part")
    try:
        with closing(TransferServer(url, token_file)) as server, part.open("wb") as file:
            rows = _write(_logs(server, asked), file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(output)
    except OSError as error:
        raise Failure(f"{output} cannot be written: {error.strerror or error}.") from None
    finally:
        with suppress(OSError):
            part.unlink()
    print(f"exported {counted(rows, 'event')} to {output}")


def _write(logs: Iterator[tuple[str, Iterator[bytes]]], file: IO[bytes]) -> int:
    """Write the table, a group of rows at a time, and return how many rows it has."""
    try:
        # Not installed with the program itself, and has no types.
        pa: Any = import_module("pyarrow")
        parquet: Any = import_module("pyarrow.parquet")
    except ImportError:
        raise UsageError(
            "Tables are written by pyarrow, which is not installed; install"
            " `cairn-sessions[parquet]`, or pyarrow beside this program."
        ) from None
    types = {
        "string": pa.string(), "int64": pa.int64(), "int32": pa.int32(),
        "bool": pa.bool_(), "timestamp": pa.timestamp("us", "UTC"),
    }  # fmt: skip
    schema = pa.schema(
        [pa.field(name, types[kind], nullable=null) for name, kind, null in _COLUMNS],
        metadata={b"cairn.schema": SCHEMA_VERSION},
    )
    rows, size, total, progress = list[tuple[Any, ...]](), 0, 0, Progress()
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:

        def flush() -> None:
            columns = zip(*rows, strict=True)
            arrays = [
                pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)
            ]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            rows.clear()

        for number, (name, lines) in enumerate(logs):
            kind = _KINDS[name.partition("/")[0]]
            for row, length in _rows(kind, name, lines):
                rows.append(row)
                size, total = size + length, total + 1
                if len(rows) == _ROWS or size >= _BYTES:
                    flush()
                    size = 0
            progress.show(number + 1, counted(total, "event"))
        if rows:
            flush()
    progress.wipe()
    return total


def _rows(kind: str, name: str, lines: Iterator[bytes]) -> Iterator[tuple[tuple[Any, ...], int]]:
    """Give each event of a log as a row, and the bytes that it takes."""
    try:
        header = _header(next(lines, b""))
        owner = header.scope or header.identity
        whose = (kind, owner.get("app"), owner.get("user"))
        for line in lines:
            event = _event(line)
            data = bytes(event.data).decode() or None
            yield (
                (
                    event.session_id, *whose, event.sequence, event.position, event.type, event.v,
                    _time(event.at), event.id, event.actor, event.origin, event.turn_id,
                    event.causation, event.erased, event.digest, data,
                ),
                len(line),
            )  # fmt: skip
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Failure(
            f"{name} cannot be put into a table ({error}); cairn repair says what is wrong with it."
        ) from None


def _time(text: str | None) -> datetime | None:
    try:
        return None if text is None else datetime.fromisoformat(text)
    except ValueError:
        return None


def _logs(
    server: TransferServer, asked: Mapping[str, Any]
) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Give the logs that are asked for, each with its lines."""
    after: str | None = None
    while True:
        body = {**asked, "limit": _PART, **({} if after is None else {"after": after})}
        manifest: _Manifest | None = None
        with (
            server.ask("POST", "/v1/sessions/batch/export", accept=_TAR, body=body) as answer,
            tarfile.open(fileobj=cast("IO[bytes]", answer), mode="r|", bufsize=_READ) as archive,
        ):
            for member in archive:
                content = archive.extractfile(member)
                if content is None:
                    continue
                if member.name == "manifest.json":
                    manifest = msgspec.json.decode(content.read(), type=_Manifest)
                elif member.name.partition("/")[0] in _KINDS:
                    yield member.name, _lines(content)
        if manifest is None:
            raise Failure("The server has ended the answer half-way; run the command again.")
        if manifest.next is None:
            return
        after = manifest.next


def _lines(content: IO[bytes]) -> Iterator[bytes]:
    rest = b""
    while piece := content.read(_READ):
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole
