"""What a process of cairn does to have a Postgres: take a share, start the keeper if need be."""

import fcntl
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Self
from urllib.parse import quote

from infrastructure.embedded_postgres.binaries import find_binaries
from infrastructure.embedded_postgres.launch import KeeperLaunch
from infrastructure.embedded_postgres.layout import (
    PORT,
    EmbeddedPostgresError,
    Layout,
    open_lock,
    try_lock,
)

_POLL = 0.02
_LONGEST_STOP = 5.0
_WATCH_EVERY = 1.0


class EmbeddedPostgres:
    """A share in the Postgres of a data directory, which runs for as long as any process has one.

    A process that dies in whatever way loses its share. Processes forked or started by this one
    may use the URL while this one lives.

    Args:
        data_dir: Where everything is kept; made if missing, and private to this user.
        durable: False gives up crash safety for speed, for tests only; its starter decides.
        start_timeout: Seconds to wait for the server, which may have to recover from a crash.
    """

    def __init__(
        self, data_dir: Path, *, durable: bool = True, start_timeout: float = 60.0
    ) -> None:
        self._layout = Layout.of(data_dir)
        self._durable = durable
        self._start_timeout = start_timeout
        self._share: int | None = None
        self._share_holder = 0
        self._socket_directory: Path | None = None
        self._stopped = Event()
        self._watch: Thread | None = None

    def is_there(self) -> bool:
        """Return whether a cluster was made; nothing is made by asking.

        Raises:
            EmbeddedPostgresError: There is something in its place.
        """
        return self._layout.version() is not None

    def start(self, making: Callable[[], None] = lambda: None) -> str:
        """Attach to the server, started if need be, and return the URL for the application.

        Args:
            making: Called before a cluster is made, which takes a while.

        Raises:
            EmbeddedPostgresError: It cannot run, or was not ready in time.
        """
        if self._socket_directory is not None:
            return self.url
        self._layout.prepare()
        if self._layout.version() is None:
            find_binaries(None)
            making()
        deadline = time.monotonic() + self._start_timeout
        try:
            self._take_share(deadline)
            self._socket_directory = self._wait_until_ready(deadline)
        except BaseException:
            self._release_share()
            raise
        self._stopped.clear()
        self._watch = Thread(target=self._keep_kept, name="embedded-postgres", daemon=True)
        self._watch.start()
        return self.url

    def stop(self) -> None:
        """Give the share back; if it was the last, wait at most 5 s for the server to be gone."""
        self._socket_directory = None
        self._stopped.set()
        if self._release_share():
            if self._watch is not None:
                self._watch.join()
            deadline = time.monotonic() + _LONGEST_STOP
            while self._is_unused_but_running() and time.monotonic() < deadline:
                time.sleep(_POLL)

    @property
    def url(self) -> str:
        """The database `cairn` as its owner, the role `cairn`, which is no superuser.

        Raises:
            RuntimeError: Not started.
        """
        return self._url_of("cairn", "cairn")

    def superuser_url(self) -> str:
        """The database `postgres` as the superuser, to make and drop databases in tests.

        Raises:
            RuntimeError: Not started.
        """
        return self._url_of("postgres", "postgres")

    def keeper_pid(self) -> int | None:
        """The process that owns the server, None when there is none."""
        owner = self._layout.owner()
        return owner.pid if owner is not None else None

    def postmaster_pid(self) -> int | None:
        """The process that Postgres has noted as its first; after a crash it need not exist."""
        return self._layout.postmaster_pid()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _url_of(self, role: str, database: str) -> str:
        if self._socket_directory is None:
            raise RuntimeError("the embedded Postgres is not started")
        return _url(self._socket_directory, role, database)

    def _take_share(self, deadline: float) -> None:
        share = open_lock(self._layout.users_lock)
        self._share, self._share_holder = share, os.getpid()
        # A keeper that is stopping its server holds this exclusively until it has gone.
        while not try_lock(share, fcntl.LOCK_SH):
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError(
                    f"The Postgres in {self._layout.home} has been stopping for"
                    f" {self._start_timeout:g} s; see {self._layout.keeper_log}."
                )
            time.sleep(_POLL)

    def _release_share(self) -> bool:
        """Let go of the users lock; False when there was nothing of ours to release."""
        share, self._share = self._share, None
        if share is None:
            return False
        # A forked child has a copy of the descriptor: unlocking it would take the parent's share.
        is_ours = self._share_holder == os.getpid()
        if is_ours:
            fcntl.flock(share, fcntl.LOCK_UN)
        os.close(share)
        return is_ours

    def _is_unused_but_running(self) -> bool:
        if not self._layout.is_owned():
            return False
        lock = open_lock(self._layout.users_lock)
        try:
            # Exclusively: nobody has it, the keeper has yet to notice. Not even shared: it has.
            return try_lock(lock, fcntl.LOCK_EX) or not try_lock(lock, fcntl.LOCK_SH)
        finally:
            os.close(lock)

    def _keep_kept(self) -> None:
        """Start another keeper if ours is killed; one that was asked to stop is left in peace."""
        while not self._stopped.wait(_WATCH_EVERY):
            # Whatever is wrong with it is in its log, and may be gone the next time.
            with suppress(EmbeddedPostgresError, OSError):
                if self._layout.is_abandoned():
                    KeeperLaunch(self._layout, durable=self._durable).forget()

    def _wait_until_ready(self, deadline: float) -> Path:
        launch: KeeperLaunch | None = None
        refusal = "no server was there to connect to"
        try:
            while True:
                owner = self._layout.owner()
                if owner is not None:
                    refusal = _refusal(owner.socket_directory)
                    if refusal == "":
                        return owner.socket_directory
                elif launch is None and not self._layout.is_owned():
                    launch = KeeperLaunch(self._layout, durable=self._durable)
                if launch is not None and launch.has_ended():
                    launch = None
                if time.monotonic() > deadline:
                    raise EmbeddedPostgresError(
                        f"The Postgres in {self._layout.home} was not ready within"
                        f" {self._start_timeout:g} s ({refusal}); see {self._layout.postgres_log}."
                    )
                time.sleep(_POLL)
        finally:
            if launch is not None:
                launch.forget()


def _url(socket_directory: Path, role: str, database: str) -> str:
    host = quote(str(socket_directory), safe="")
    return f"postgresql://{role}@/{database}?host={host}&port={PORT}"


def _refusal(socket_directory: Path) -> str:
    """Why the server cannot be connected to; an empty string when it can."""
    # The keeper imports this package too, and has no use for a driver that is ten times its size.
    import psycopg

    try:
        psycopg.connect(_url(socket_directory, "cairn", "cairn"), connect_timeout=5).close()
    except psycopg.OperationalError as error:
        return " ".join(str(error).split())
    return ""
