"""The database of a server: which one it is, brought up to date, and the role that works with it.

Beside `api/composition/program.py` one of the modules of `api` that know `infrastructure`.
"""

from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from threading import Thread

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from api.settings import Settings
from api.start_error import StartError
from application.projections.read_models import ReadModels
from application.tokens.manage import TokenRegistry
from domain.timers import Timers
from infrastructure.clock import SystemClock
from infrastructure.embedded_postgres import PROGRAM_ROLE, EmbeddedPostgres, EmbeddedPostgresError
from infrastructure.postgres.access.access_tokens import PostgresAccessTokens
from infrastructure.postgres.connecting.database import Database
from infrastructure.postgres.connecting.migrations import MigrationError, grant, migrate
from infrastructure.postgres.log.read_models import PostgresShadows
from infrastructure.postgres.store import open_store

_CONNECT_SECONDS = 10
_PATIENCE_AT_THE_END = 1.0


@contextmanager
def database_of(settings: Settings, making: Callable[[], None] = lambda: None) -> Generator[str]:
    """Give the URL of the database: the one that is set, or else that of the embedded Postgres.

    Args:
        settings: Say which.
        making: Called before a cluster of an embedded Postgres is made.

    Raises:
        StartError: The embedded Postgres does not start.
    """
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
        return
    try:
        cluster = EmbeddedPostgres(settings.data_dir.absolute())
        url = cluster.start(making)
    except EmbeddedPostgresError as error:
        raise StartError(str(error)) from error
    try:
        yield url
    finally:
        # Its keeper shuts it down whether or not anybody looks on.
        stopping = Thread(target=cluster.stop, daemon=True)
        stopping.start()
        stopping.join(_PATIENCE_AT_THE_END)


@contextmanager
def existing_database_of(settings: Settings) -> Generator[str]:
    """Give the URL of the database, as `database_of` does, without making a cluster for it.

    Args:
        settings: Say which.

    Raises:
        StartError: There is no cluster in the data directory, or it does not start.
    """
    if settings.database_url is None:
        where = settings.data_dir.absolute()
        try:
            is_there = EmbeddedPostgres(where).is_there()
        except EmbeddedPostgresError as error:
            raise StartError(str(error)) from error
        if not is_there:
            raise StartError(
                f"There is no database in the data directory {where}; name that of the server with"
                " --data-dir or CAIRN_DATA_DIR, or make a new one there with cairn migrate."
            )
    with database_of(settings) as url:
        yield url


def bring_up_to_date(url: str, *, dry_run: bool = False) -> list[str]:
    """Apply the migrations that are missing, and return their names.

    Args:
        url: The database.
        dry_run: Only say which.

    Raises:
        StartError: The database cannot be reached, or is not one this program can use.
    """
    try:
        parts = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        parts = {}
    if not parts:
        # Its message has the whole URL in it, and so the password.
        raise StartError(
            "The database URL is not understood; write it like postgresql://user@host:5432/name"
            " (--database-url, CAIRN_DATABASE_URL or DATABASE_URL)."
        )
    timeout = parts.get("connect_timeout", _CONNECT_SECONDS)
    try:
        return migrate(make_conninfo(url, connect_timeout=timeout), dry_run=dry_run)
    except MigrationError as error:
        raise StartError(error.message) from error


def require_up_to_date(url: str) -> None:
    """Refuse a database that lacks a migration: only `cairn serve` and `cairn migrate` change one.

    Args:
        url: The database.

    Raises:
        StartError: It lacks one, cannot be reached, or is not one this program can use.
    """
    if missing := bring_up_to_date(url, dry_run=True):
        raise StartError(f"The database is not up to date ({missing[0]}); run cairn migrate.")


def grant_rights(url: str, role: str) -> None:
    """Give a role the rights that the program needs, and no more.

    Args:
        url: The database, as the owner of its schema.
        role: Exists already.

    Raises:
        StartError: It cannot be done.
    """
    try:
        grant(url, role)
    except MigrationError as error:
        raise StartError(error.message) from error


def program_url(settings: Settings, url: str) -> str:
    """Return the URL with which the program works, given that of the schema's owner.

    In the embedded Postgres that is a role that cannot change the log. Elsewhere it is the role of
    the URL that is set: `cairn migrate --grant-to` gives one its rights.

    Args:
        settings: Say whose Postgres it is.
        url: The database, up to date.

    Raises:
        StartError: The role cannot be given its rights.
    """
    if settings.database_url is not None:
        return url
    grant_rights(url, PROGRAM_ROLE)
    return make_conninfo(url, user=PROGRAM_ROLE)


@asynccontextmanager
async def open_read_models(url: str, timers: Timers) -> AsyncGenerator[ReadModels]:
    """Open what rebuilds the read models, beside servers that run or without one.

    Args:
        url: The database, up to date.
        timers: How long turns may be silent or run.
    """
    async with open_store(url) as store:
        yield ReadModels(
            store.log, store.codec, store.session_rows, PostgresShadows(store.database), timers
        )


@asynccontextmanager
async def open_token_registry(url: str) -> AsyncGenerator[TokenRegistry]:
    """Open what makes and revokes access tokens, beside a server that runs or without one.

    Args:
        url: The database, up to date.
    """
    database = Database(url, readers=1)
    await database.open()
    try:
        yield TokenRegistry(PostgresAccessTokens(database), SystemClock())
    finally:
        await database.close()
