"""The data directory of an embedded Postgres: where things lie, whose it is, and who holds it."""

import fcntl
import hashlib
import os
import re
import stat
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

PORT = 5432
"""Names the socket file only: no TCP port is ever opened."""

_SOCKET_PATH_LIMIT = 103 if sys.platform == "darwin" else 107
_FOREIGN_BUT_HARMLESS = {"lost+found"}


class EmbeddedPostgresError(Exception):
    """The embedded Postgres cannot run; the message says why and what to do about it."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True, slots=True)
class Owner:
    """What the keeper tells about itself once it may be connected to.

    Args:
        pid: Process id of the keeper.
        socket_directory: Where its server listens.
    """

    pid: int
    socket_directory: Path


@dataclass(frozen=True, slots=True)
class Layout:
    """The names inside one data directory.

    Args:
        home: The data directory, absolute and without symbolic links.
    """

    home: Path

    @classmethod
    def of(cls, data_dir: Path) -> Self:
        """Resolve a data directory, so that every process names the same one alike."""
        return cls(data_dir.expanduser().resolve())

    @property
    def pgdata(self) -> Path:
        """The cluster of Postgres itself."""
        return self.home / "pgdata"

    @property
    def owner_lock(self) -> Path:
        """Held exclusively by the keeper for as long as it lives."""
        return self.home / "owner.lock"

    @property
    def users_lock(self) -> Path:
        """Shared by every process that uses the server."""
        return self.home / "users.lock"

    @property
    def postgres_log(self) -> Path:
        """What Postgres says."""
        return self.home / "postgres.log"

    @property
    def keeper_log(self) -> Path:
        """What the keeper says."""
        return self.home / "keeper.log"

    def prepare(self) -> None:
        """Create the data directory, or make sure that an existing one is ours; close it to others.

        Raises:
            EmbeddedPostgresError: It is a file, belongs to another user, holds something else, or
                cannot be accessed.
        """
        try:
            self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._refuse_foreign()
            self.home.chmod(0o700)
            os.close(open_lock(self.users_lock))
        except (FileExistsError, NotADirectoryError):
            raise EmbeddedPostgresError(
                f"The data directory {self.home} is a file, or lies below one; choose another path."
            ) from None
        except OSError as error:
            raise EmbeddedPostgresError(
                f"The data directory {self.home} cannot be used ({error.strerror});"
                " give this user read and write access to it, or choose another path."
            ) from None

    def _refuse_foreign(self) -> None:
        owner = self.home.stat().st_uid
        if owner != os.geteuid():
            raise EmbeddedPostgresError(
                f"The data directory {self.home} belongs to user id {owner}, and this is"
                f" {os.geteuid()}; run as its owner, chown it, or choose another path."
            )
        names = {entry.name for entry in self.home.iterdir()}
        if names - _FOREIGN_BUT_HARMLESS and self.users_lock.name not in names:
            raise EmbeddedPostgresError(
                f"The data directory {self.home} holds something else ({min(names)});"
                " choose an empty or a new directory."
            )

    def version(self) -> str | None:
        """The major version of the cluster, or None when there is none yet.

        Raises:
            EmbeddedPostgresError: `pgdata` holds something that is no cluster.
        """
        try:
            return (self.pgdata / "PG_VERSION").read_text("ascii").strip()
        except FileNotFoundError:
            if not self.pgdata.exists():
                return None
        except (OSError, UnicodeDecodeError):
            pass
        raise EmbeddedPostgresError(
            f"{self.pgdata} is not a readable Postgres cluster (no PG_VERSION);"
            " put a backup in its place, or move it away to begin anew."
        )

    def owner(self) -> Owner | None:
        """The keeper that runs now and has published its server, or None."""
        if not self.is_owned():
            return None
        published = self.owner_lock.read_text()
        pid, _, directory = published.removesuffix("\n").partition("\n")
        if not published.endswith("\n") or not directory:
            return None
        return Owner(int(pid), Path(directory))

    def is_abandoned(self) -> bool:
        """Whether the last keeper was killed: one that stops takes back what it published."""
        with suppress(FileNotFoundError):
            return self.owner_lock.stat().st_size > 0 and not self.is_owned()
        return False

    def is_owned(self) -> bool:
        """Whether a keeper lives, even one that has published nothing yet."""
        if not self.owner_lock.exists():
            return False
        lock = open_lock(self.owner_lock)
        try:
            # Shared: askers do not disturb each other, and a keeper that meets one tries again.
            return not try_lock(lock, fcntl.LOCK_SH)
        finally:
            os.close(lock)

    def postmaster_pid(self) -> int | None:
        """The process id in `postmaster.pid`; the process need not exist, nor be a Postgres."""
        with suppress(OSError, ValueError, IndexError):
            return int((self.pgdata / "postmaster.pid").read_text().splitlines()[0])
        return None

    def socket_directory(self) -> Path:
        """Where the server listens: the data directory, or a short private one if that will not do.

        Raises:
            EmbeddedPostgresError: Somebody else has taken the name of the short directory.
        """
        in_place = str(self.home)
        # libpq and Postgres both read a list here: commas and quotes would be syntax.
        if (
            len(f"{in_place}/.s.PGSQL.{PORT}") <= _SOCKET_PATH_LIMIT
            and re.fullmatch(r"[\w/.+~-]+", in_place, re.ASCII) is not None
        ):
            return self.home
        name = f"cairn-{os.geteuid()}-{hashlib.sha256(os.fsencode(in_place)).hexdigest()[:16]}"
        directory = _runtime_directory() / name
        with suppress(FileExistsError):
            directory.mkdir(mode=0o700)
        found = directory.lstat()
        if (
            not stat.S_ISDIR(found.st_mode)
            or found.st_uid != os.geteuid()
            or found.st_mode & 0o077 != 0
        ):
            raise EmbeddedPostgresError(
                f"{directory} is not a private directory of this user, and the path of the data"
                " directory does not fit a socket; remove it, or choose a shorter data directory."
            )
        return directory


def _runtime_directory() -> Path:
    runtime = Path(os.environ.get("XDG_RUNTIME_DIR", ""))
    if runtime.is_absolute() and len(str(runtime)) <= 40 and os.access(runtime, os.W_OK | os.X_OK):
        return runtime
    # Not gettempdir(): TMPDIR may be as long as the path that has just been found too long.
    shared = Path("/tmp")  # noqa: S108 - the directory made in it is private and checked
    return shared if shared.is_dir() else Path(tempfile.gettempdir())


def open_lock(path: Path) -> int:
    """Open a lock file, created if need be; programs started later do not inherit the descriptor.

    Args:
        path: The lock file.
    """
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def try_lock(lock: int, operation: int) -> bool:
    """Lock without waiting, and say whether it worked.

    Args:
        lock: Descriptor of an open lock file.
        operation: `fcntl.LOCK_SH` or `fcntl.LOCK_EX`.
    """
    try:
        fcntl.flock(lock, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def last_line(log: Path, *marks: str) -> str:
    """The last line of a log that has one of the marks, else its last line, else nothing.

    Args:
        log: A log file; only its last 8 KiB are read.
        marks: What to look for, such as `FATAL`.
    """
    with suppress(OSError), log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 8192))
        lines = [line for line in file.read().decode(errors="replace").splitlines() if line.strip()]
        marked = [line for line in lines if any(mark in line for mark in marks)]
        return (marked or lines or [""])[-1].strip()
    return ""
