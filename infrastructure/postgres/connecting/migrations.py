"""Brings the schema of a database up to this program: numbered SQL files, each applied once."""

import hashlib
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import psycopg

from infrastructure.postgres import sql

MIGRATIONS = files("migrations")

_STATEMENTS = sql.load("migrations")
_LOCK = 0x5E55_10_0001
_POLL = 0.05
_FILE_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
_NO_TRANSACTION = "-- no-transaction"
_SQL_TOKEN = re.compile(
    r"""(?P<end>;)
    | '(?:[^']|'')*' | "[^"]*"
    | \$(?P<tag>\w*)\$ .*? \$(?P=tag)\$
    | (?P<comment>--[^\n]* | /\*.*?\*/)
    | .""",
    re.VERBOSE | re.DOTALL,
)

_Connection = psycopg.Connection[tuple[Any, ...]]


class MigrationError(Exception):
    """The schema cannot be brought up to date; the message says why and what to do about it."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True, slots=True)
class _Migration:
    number: int
    name: str
    sha256: str
    text: str

    @property
    def title(self) -> str:
        return f"{self.number:04}_{self.name}"


def migrate(url: str, *, folder: Traversable = MIGRATIONS, dry_run: bool = False) -> list[str]:
    """Apply what is missing, in order, and return its names; safe to run by many processes at once.

    A file is applied in one transaction. If its first line is `-- no-transaction`, its statements
    are run one by one instead, so it has to be written such that it can be run again.

    Args:
        url: What psycopg connects to, as the owner of the schema, and not through a pooler.
        folder: Holds `0001_name.sql`, `0002_name.sql` and so on.
        dry_run: True only tells what would be applied, and writes nothing.

    Raises:
        MigrationError: The files or the history of the database are not in order, the database
            cannot be reached, or a statement failed.
    """
    known = _read(folder)
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            _require_utf8(connection)
            if not dry_run:
                _lock(connection)
            missing = _missing(known, _history(connection))
            if not dry_run:
                for migration in missing:
                    _apply(connection, migration)
    except psycopg.Error as error:
        raise MigrationError(
            f"The database cannot be reached, or went away: {_first(error)};"
            " start it, check its URL, and run again."
        ) from error
    return [migration.title for migration in missing]


def newest_known() -> int:
    """Return the number of the newest migration that this program has."""
    return len(_read(MIGRATIONS))


def grant(url: str, role: str) -> None:
    """Give a role the rights that the program needs, and no more.

    Args:
        url: What psycopg connects to, as the owner of the schema, which is up to date.
        role: Exists already, and owns nothing.

    Raises:
        MigrationError: There is no such role, or the rights cannot be given.
    """
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            # Postgres refuses two who change the rights to one thing at once.
            _lock(connection)
            connection.execute(_STATEMENTS["grant"], {"role": role})
    except psycopg.Error as error:
        raise MigrationError(
            f"The role {role!r} cannot be given its rights: {_first(error)};"
            f" make it first (create role ... login), and use the URL of the schema's owner."
        ) from error


def _read(folder: Traversable) -> list[_Migration]:
    migrations: list[_Migration] = []
    for number, file in enumerate(
        sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=_name), 1
    ):
        match = _FILE_NAME.fullmatch(file.name)
        if match is None:
            raise MigrationError(
                f"The migration {file.name} is not named like 0001_lower_case.sql; rename it."
            )
        if int(match[1]) != number:
            raise MigrationError(
                f"The migrations must be numbered 1, 2, 3 ... , and {file.name} stands where"
                f" {number:04} should; renumber the ones that are not released yet."
            )
        content = file.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        migrations.append(_Migration(number, match[2], digest, content.decode("utf-8")))
    return migrations


def _name(file: Traversable) -> str:
    return file.name


def _require_utf8(connection: _Connection) -> None:
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise MigrationError(
            f"The database is encoded in {encoding}, which has no place for every character; make"
            " one with createdb --encoding=UTF8 --template=template0, and name that."
        )


def _lock(connection: _Connection) -> None:
    # Asked for again and again, never waited for in Postgres: a waiter would hold a snapshot there,
    # and CREATE INDEX CONCURRENTLY in whoever has the lock waits for that, so both would deadlock.
    while True:
        row = connection.execute(_STATEMENTS["try_lock"], {"key": _LOCK}).fetchone()
        if row is not None and row[0]:
            return
        time.sleep(_POLL)


def _history(connection: _Connection) -> list[tuple[int, str, str]]:
    row = connection.execute(_STATEMENTS["has_history"]).fetchone()
    if row is None or not row[0]:
        return []
    rows = connection.execute(_STATEMENTS["history"])
    return [(number, name, sha256) for number, name, sha256 in rows]


def _missing(known: list[_Migration], history: list[tuple[int, str, str]]) -> list[_Migration]:
    if history and history[-1][0] > len(known):
        raise MigrationError(
            f"The database is at migration {history[-1][0]:04}, newer than this program, which"
            f" knows {len(known)}; run the newer program, or restore a backup made before it."
        )
    for expected, (number, name, sha256) in enumerate(history, 1):
        ours = known[number - 1]
        if number != expected or name != ours.name:
            raise MigrationError(
                f"The database has the migration {number:04}_{name}, where this program has"
                f" {known[expected - 1].title}; the database belongs to another program or branch."
            )
        if sha256 != ours.sha256:
            raise MigrationError(
                f"The migration {ours.title} was edited after it had been applied; put the file"
                " back as it was, and make the change in a new one."
            )
    return known[len(history) :]


def _apply(connection: _Connection, migration: _Migration) -> None:
    first_line, _, _ = migration.text.partition("\n")
    try:
        if first_line.strip() == _NO_TRANSACTION:
            for statement in _split(migration.text):
                connection.execute(statement.encode())
            _record(connection, migration)
        else:
            with connection.transaction():
                connection.execute(migration.text.encode())
                _record(connection, migration)
    except psycopg.Error as error:
        if connection.broken:
            raise
        raise MigrationError(
            f"The migration {migration.title} failed: {_first(error)};"
            " the ones before it are applied, so mend it and run again."
        ) from error


def _record(connection: _Connection, migration: _Migration) -> None:
    connection.execute(_STATEMENTS["create_history"])
    connection.execute(
        _STATEMENTS["record"],
        {"number": migration.number, "name": migration.name, "sha256": migration.sha256},
    )


def _split(text: str) -> Iterator[str]:
    """The statements of a file, without the comments around them.

    Semicolons in quotes, dollar quotes and comments do not count.
    """
    statement = ""
    for token in _SQL_TOKEN.finditer(text):
        if not token["end"]:
            statement += " " if token["comment"] else token[0]
            continue
        if statement.strip():
            yield statement.strip()
        statement = ""
    if statement.strip():
        yield statement.strip()


def _first(error: psycopg.Error) -> str:
    """The first line of an error: what, without where."""
    return (str(error).splitlines() or [type(error).__name__])[0]
