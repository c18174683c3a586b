"""Databases of other systems, opened so that nothing in them changes and nothing in them runs."""

import shutil
import sqlite3
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, LiteralString, Protocol

import psycopg

from application.transfer.lines import FileFault
from infrastructure.importers.reading.source_files import require_file
from infrastructure.postgres import sql

_MAGIC = b"SQLite format 3\0"
_WAL = b"\x02\x02"
_WAIT = 2.0
"""Seconds to wait for a program that is writing."""
_MOST_BYTES = 256 * 1024 * 1024
_AT_ONCE = 500
_POSTGRES = ("postgresql", "postgres")


def statements(source: str) -> Mapping[str, LiteralString]:
    """Return the statements that read one source, by name.

    Args:
        source: Such as `adk`.
    """
    return sql.load(source, folder=files("infrastructure.importers.reading") / "sql")


_SQL = statements("tables")


class Tables(Protocol):
    """A database of another system, as it was at one moment."""

    @property
    def name(self) -> str:
        """What errors call it."""
        ...

    @property
    def is_postgres(self) -> bool:
        """Which dialect it speaks; otherwise SQLite's."""
        ...

    def columns(self, table: str) -> frozenset[str]:
        """Return the names of the columns of a table; none when there is no such table."""
        ...

    def rows(self, statement: LiteralString, *values: Any) -> Iterator[tuple[Any, ...]]:
        """Give the rows of a statement."""
        ...

    def records(self, statement: LiteralString, *values: Any) -> Iterator[dict[str, Any]]:
        """Give the rows of a statement, by the names of their columns."""
        ...


@contextmanager
def opened_tables(place: str) -> Generator[Tables, None, None]:
    """Open a database, in one transaction that only reads.

    Args:
        place: The path of an SQLite file, or the URL of a Postgres database, in which a driver may
            be named as SQLAlchemy does.

    Raises:
        FileFault: It cannot be opened, or is none.
    """
    scheme, found, rest = place.partition("://")
    kind = scheme.partition("+")[0]
    if not found:
        with _sqlite(Path(place)) as tables:
            yield tables
    elif kind in _POSTGRES:
        with _postgres(f"postgresql://{rest}") as tables:
            yield tables
    elif kind == "sqlite":
        with _sqlite(Path(rest.removeprefix("/"))) as tables:
            yield tables
    else:
        raise FileFault(f"databases of the kind {kind} cannot be read; give SQLite or Postgres")


# ── SQLite ───────────────────────────────────────────────────────────────────────────────────


@contextmanager
def _sqlite(path: Path) -> Generator[Tables, None, None]:
    require_file(path)
    with ExitStack() as stack:
        head = _head(path)
        if head[: len(_MAGIC)] != _MAGIC:
            raise FileFault(f"{path} is no SQLite database")
        try:
            # Reading a database with a log of writes beside it would write there.
            if head[18:20] == _WAL:
                connection = _open(_copy(path, stack), stack)
            else:
                connection = _open_or_copy(path, stack)
            yield _SqliteTables(str(path), connection)
        except sqlite3.Error as error:
            raise _fault(str(path), error) from None


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(100)
    except OSError as error:
        raise FileFault(f"{path} cannot be read: {error.strerror}") from None


def _open_or_copy(path: Path, stack: ExitStack) -> sqlite3.Connection:
    try:
        return _open(path, stack)
    except sqlite3.OperationalError as error:
        # A program died while it wrote: its last transaction is taken back, in a copy.
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
            raise
    return _open(_copy(path, stack), stack)


def _open(path: Path, stack: ExitStack) -> sqlite3.Connection:
    address = f"{path.absolute().as_uri()}?mode=ro"
    opened = sqlite3.connect(address, uri=True, timeout=_WAIT, isolation_level=None)
    connection = stack.enter_context(closing(opened))
    # Called for every text of every row: it runs no line of Python.
    connection.text_factory = partial(str, encoding="utf-8", errors="replace")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MOST_BYTES)
    for pragma in ("trusted_schema = off", "query_only = on", "cell_size_check = on"):
        connection.execute(f"pragma {pragma}")
    connection.execute("begin")
    connection.execute(_SQL["sqlite_objects"]).fetchone()
    return connection


def _copy(path: Path, stack: ExitStack) -> Path:
    folder = Path(stack.enter_context(TemporaryDirectory(prefix="cairn-import-")))
    copied = folder / "source.db"
    parts = [
        (path.with_name(path.name + end), copied.with_name(copied.name + end)) for end in _ENDS
    ]
    there = [(part, target) for part, target in parts if part.exists()]
    before = [_state(part) for part, _ in there]
    for part, target in there:
        require_file(part)
        shutil.copyfile(part, target)
    if before != [_state(part) for part, _ in there]:
        raise FileFault(f"{path} is being written: stop the program that does, or take a copy")
    connection = sqlite3.connect(copied)
    with closing(connection):
        connection.execute("pragma journal_mode = delete")
    return copied


_ENDS = ("", "-wal", "-journal")


def _state(path: Path) -> tuple[int, int]:
    told = path.stat()
    return told.st_size, told.st_mtime_ns


def _fault(name: str, error: sqlite3.Error) -> FileFault:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return FileFault(f"{name} is locked: another program is writing it; stop that, or copy it")
    return FileFault(f"{name} cannot be read as an SQLite database: {error}")


class _SqliteTables:
    is_postgres = False

    def __init__(self, name: str, connection: sqlite3.Connection) -> None:
        self.name = name
        self._connection = connection

    def columns(self, table: str) -> frozenset[str]:
        found = self._connection.execute(_SQL["sqlite_columns"], (table,))
        return frozenset(name for (name,) in found)

    def rows(self, statement: LiteralString, *values: Any) -> Iterator[tuple[Any, ...]]:
        try:
            with closing(self._connection.execute(statement, values)) as cursor:
                while rows := cursor.fetchmany(_AT_ONCE):
                    yield from rows
        except sqlite3.Error as error:
            raise _fault(self.name, error) from None

    def records(self, statement: LiteralString, *values: Any) -> Iterator[dict[str, Any]]:
        try:
            with closing(self._connection.execute(statement, values)) as cursor:
                names = _names(cursor.description)
                for row in cursor:
                    yield dict(zip(names, row, strict=True))
        except sqlite3.Error as error:
            raise _fault(self.name, error) from None


def _names(description: Sequence[Any]) -> list[str]:
    return [column[0] for column in description]


# ── Postgres ─────────────────────────────────────────────────────────────────────────────────


@contextmanager
def _postgres(url: str) -> Generator[Tables, None, None]:
    try:
        with psycopg.connect(url, connect_timeout=10) as connection:
            connection.read_only = True
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.execute("set time zone 'UTC'")
            connection.execute("set bytea_output = 'hex'")
            yield _PostgresTables(connection)
            connection.rollback()
    except psycopg.Error as error:
        said = str(error).strip().partition("\n")[0]
        raise FileFault(f"the Postgres database cannot be read: {said}") from None


class _PostgresTables:
    is_postgres = True
    name = "the Postgres database"

    def __init__(self, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        self._connection = connection
        self._cursors = 0

    def columns(self, table: str) -> frozenset[str]:
        found = self._connection.execute(_SQL["postgres_columns"], (table,))
        return frozenset(name for (name,) in found)

    def rows(self, statement: LiteralString, *values: Any) -> Iterator[tuple[Any, ...]]:
        self._cursors += 1
        with self._connection.cursor(f"cairn_{self._cursors}") as cursor:
            cursor.itersize = _AT_ONCE
            yield from cursor.execute(statement, values)

    def records(self, statement: LiteralString, *values: Any) -> Iterator[dict[str, Any]]:
        self._cursors += 1
        with self._connection.cursor(f"cairn_{self._cursors}") as cursor:
            cursor.itersize = _AT_ONCE
            cursor.execute(statement, values)
            names = [column.name for column in cursor.description or ()]
            for row in cursor:
                yield dict(zip(names, row, strict=True))
