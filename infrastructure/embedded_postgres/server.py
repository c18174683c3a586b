"""One Postgres server as a child of the keeper: made, launched, watched, relaunched, stopped."""
# ruff: noqa: S603 - commands are made of constants and of programs this user has installed

import logging
import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from infrastructure.embedded_postgres.binaries import find_binaries, unprivileged
from infrastructure.embedded_postgres.layout import PORT, EmbeddedPostgresError, Layout, last_line
from infrastructure.embedded_postgres.processes import ends_with_us, send, server_processes

_log = logging.getLogger(__name__)

_PATIENCE = 10.0
_LONGEST_PAUSE = 5.0
_HOPELESS = 5
_LOG_LIMIT = 10 * 1024 * 1024
_TEMPORARY = "initdb-"

_SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
_KEPT = str(8 * 1024 * 1024)
_MEMORY = {"MALLOC_MMAP_THRESHOLD_": _KEPT, "MALLOC_TRIM_THRESHOLD_": _KEPT}
"""Bytes that a process of Postgres keeps of the memory it has freed. By itself the C library gives
back what a large answer took, and has its pages made anew for the next one: that was half of the
processor time of a page of events. glibc alone knows these; see mallopt(3)."""
_NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}

PROGRAM_ROLE = "cairn_program"
"""As which the program connects: it owns nothing, and so cannot switch off what guards the log."""

_FIRST_STATEMENTS = b"""\
CREATE ROLE cairn LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE;
CREATE ROLE cairn_program LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE;
CREATE DATABASE cairn OWNER cairn;
"""


class Server:
    """The server of one data directory; whoever makes one must hold the owner lock.

    Args:
        layout: The data directory.
        durable: False gives up crash safety for speed, for tests only.

    Raises:
        EmbeddedPostgresError: No suitable Postgres, or it cannot run here.
    """

    def __init__(self, layout: Layout, *, durable: bool) -> None:
        self._layout = layout
        self._durable = durable
        self._binaries = find_binaries(layout.version())
        self._prefix = unprivileged()
        self.socket_directory = layout.socket_directory()
        self._process: subprocess.Popen[bytes] | None = None
        self._launched_at = 0.0
        self._launch_not_before = 0.0
        self._leftovers_since: float | None = None
        self._failures = 0
        self._was_ready = False

    @property
    def is_launched(self) -> bool:
        """Whether the process that clients may try to reach is this keeper's own."""
        return self._process is not None

    def create_if_missing(self) -> None:
        """Make the cluster, its role and its database, all or nothing: they appear by one rename.

        Raises:
            EmbeddedPostgresError: `initdb` failed, for example because the disk is full.
        """
        for unfinished in self._layout.home.glob(f"{_TEMPORARY}*"):
            shutil.rmtree(unfinished, ignore_errors=True)
        if self._layout.version() is not None:
            return
        # Never the same name twice: an initdb orphaned by a kill may still be writing into its own.
        temporary = Path(tempfile.mkdtemp(prefix=_TEMPORARY, dir=self._layout.home))
        initdb = [self._binaries.initdb, "-D", str(temporary), "-U", "postgres", "-A", "trust"]
        initdb += ["-E", "UTF8", "--locale=C", "--data-checksums", "--no-instructions"]
        settings = {"exit_on_error": "on", **({} if self._durable else _NOT_DURABLE)}
        single = [self._binaries.postgres, "--single", "-D", str(temporary), *_flags(settings)]
        self._run([*initdb, *([] if self._durable else ["--no-sync"])])
        self._run([*single, "postgres"], _FIRST_STATEMENTS)
        temporary.rename(self._layout.pgdata)
        _sync_directory(self._layout.home)
        _log.info("made a cluster of Postgres %s", self._binaries.version)

    def _run(self, command: list[str], statements: bytes = b"") -> None:
        with self._layout.postgres_log.open("ab") as log:
            result = subprocess.run(
                [*self._prefix, *command],
                input=statements,
                stdout=log,
                stderr=log,
                cwd=self._layout.home,
                preexec_fn=ends_with_us(signal.SIGTERM),
                check=False,
            )
        if result.returncode != 0:
            raise EmbeddedPostgresError(
                f"The database cluster could not be made: {self._last_words()};"
                f" the details are in {self._layout.postgres_log}."
            )

    def tend(self) -> None:
        """Look after the server without waiting: launch it, and again whenever it has died.

        Raises:
            EmbeddedPostgresError: It has died several times and was never ready.
        """
        shorten(self._layout.postgres_log)
        now = time.monotonic()
        if self._process is not None and self._process.poll() is None:
            self._was_ready = self._was_ready or self._is_ready()
            return
        if self._process is not None:
            self._mourn(self._process.returncode, now)
            self._process = None
        if now >= self._launch_not_before and self._leftovers_are_gone(now):
            self._launch(now)

    def _mourn(self, status: int, now: float) -> None:
        self._failures = 1 if now - self._launched_at > _PATIENCE else self._failures + 1
        _log.warning("postgres ended with status %s: %s", status, self._last_words())
        if not self._was_ready and self._failures >= _HOPELESS:
            raise EmbeddedPostgresError(
                f"Postgres does not start: {self._last_words()};"
                f" the details are in {self._layout.postgres_log}."
            )
        self._launch_not_before = now + min(_LONGEST_PAUSE, 0.05 * 2**self._failures)

    def _launch(self, now: float) -> None:
        settings = _SETTINGS if self._durable else _SETTINGS | _NOT_DURABLE
        command = [self._binaries.postgres, "-D", str(self._layout.pgdata)]
        command += ["-k", str(self.socket_directory), *_flags(settings)]
        with self._layout.postgres_log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._prefix, *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._layout.home,
                env={**_MEMORY, **os.environ},
                preexec_fn=ends_with_us(signal.SIGINT),
                start_new_session=True,
            )
        self._launched_at = now
        _log.info("launched postgres as process %s", self._process.pid)

    def _is_ready(self) -> bool:
        with suppress(OSError, IndexError):
            lines = (self._layout.pgdata / "postmaster.pid").read_text().splitlines()
            return lines[7].startswith("ready")
        return False

    def _leftovers_are_gone(self, now: float) -> bool:
        """End what an earlier server left behind, and remove its files once nothing of it lives.

        Postgres itself goes by the process id in `postmaster.pid`, which may by now be a zombie or
        name an innocent process. We hold the owner lock, and ask who works in `pgdata`.
        """
        living = server_processes(self._layout.pgdata)
        if not living:
            self._leftovers_since = None
            socket_file = self.socket_directory / f".s.PGSQL.{PORT}"
            for file in (
                self._layout.pgdata / "postmaster.pid",
                socket_file,
                socket_file.with_name(f"{socket_file.name}.lock"),
            ):
                file.unlink(missing_ok=True)
            return True
        if self._leftovers_since is None:
            _log.warning("waiting for processes %s of an earlier server", living)
            self._leftovers_since = now
            postmaster = self._layout.postmaster_pid()
            if postmaster in living:
                send(postmaster, signal.SIGINT)
        elif now - self._leftovers_since > _PATIENCE:
            self._leftovers_since = now
            for process in living:
                send(process, signal.SIGQUIT)
        return False

    def stop(self) -> None:
        """Shut the server down with a checkpoint, or after 10 s without one."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        for request in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            process.send_signal(request)
            with suppress(subprocess.TimeoutExpired):
                process.wait(_PATIENCE)
                _log.info("postgres stopped with status %s", process.returncode)
                return

    def _last_words(self) -> str:
        return last_line(
            self._layout.postgres_log, "FATAL:", "PANIC:", "ERROR:", "error:", "failed"
        )


def shorten(log: Path) -> None:
    """Put a log of more than 10 MB aside, in place of the one put aside before.

    Args:
        log: A log file; its writer must have opened it for appending, and goes on writing to it.
    """
    with suppress(FileNotFoundError):
        if log.stat().st_size > _LOG_LIMIT:
            shutil.copyfile(log, log.with_name(f"{log.name}.1"))
            os.truncate(log, 0)


def _flags(settings: dict[str, str]) -> list[str]:
    return [flag for name, value in settings.items() for flag in ("-c", f"{name}={value}")]


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
