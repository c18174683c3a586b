"""A primary and its synchronous standby: two Postgres on loopback."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg

from infrastructure.embedded_postgres.binaries import find_binaries, unprivileged
from infrastructure.embedded_postgres.processes import ends_with_us, server_processes

_WITHIN = 60.0
_STANDBY = "standby"


class Cluster:
    """One Postgres.

    Args:
        directory: Where its data and its log are.
        name: Of its directory.
    """

    def __init__(self, directory: Path, name: str) -> None:
        self.data = directory / name
        self._log = directory / f"{name}.log"
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        with socket.create_server(("127.0.0.1", 0)) as plug:
            self.port: int = plug.getsockname()[1]

    def url(self, role: str = "postgres", database: str = "postgres") -> str:
        """Return the URL of a database."""
        return f"postgresql://{role}@127.0.0.1:{self.port}/{database}"

    def make(self) -> None:
        """Make an empty cluster."""
        binaries = find_binaries(None)
        command = [binaries.initdb, "-D", str(self.data), "-U", "postgres", "-A", "trust"]
        with self._log.open("ab") as log:
            subprocess.run(
                [*unprivileged(), *command, "--no-sync", "--encoding=UTF8", "--locale=C"],
                check=True,
                stdout=log,
                stderr=log,
            )

    def copy_to(self, other: "Cluster") -> None:
        """Copy it while it does not run."""
        assert self._process is None
        shutil.copytree(self.data, other.data)
        (other.data / "standby.signal").touch()

    def start(self, **settings: str) -> None:
        """Start it, and return when it answers.

        Raises:
            AssertionError: It does not.
        """
        given = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self._directory),
            "shared_buffers": "32MB",
            "max_connections": "60",
            **settings,
        }
        flags = [part for name, value in given.items() for part in ("-c", f"{name}={value}")]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*unprivileged(), find_binaries(None).postgres, "-D", str(self.data), *flags],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=ends_with_us(signal.SIGINT),
            )
        deadline = time.monotonic() + _WITHIN
        while True:
            with suppress(psycopg.OperationalError):
                psycopg.connect(self.url(), connect_timeout=5).close()
                break
            gone = self._process.poll() is not None
            assert not gone, f"it does not start:\n{self._log.read_text()[-3000:]}"
            assert time.monotonic() < deadline, "it does not answer"
            time.sleep(0.05)

    def run(self, *statements: str, database: str = "postgres") -> None:
        """Run statements as the superuser."""
        with psycopg.connect(self.url(database=database), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    async def promote(self) -> None:
        """Make a primary of a standby, and return when it is one."""
        async with await psycopg.AsyncConnection.connect(self.url(), autocommit=True) as one:
            cursor = await one.execute("select pg_promote(true, 60)")
            assert await cursor.fetchone() == (True,)

    def stop(self) -> None:
        """Stop it in order, whoever is connected."""
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(_WITHIN)

    def kill(self) -> None:
        """Kill all of it, as a power cut does."""
        process, self._process = self._process, None
        for pid in server_processes(self.data):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if process is not None:
            process.wait(_WITHIN)


@contextmanager
def primary_and_standby() -> Generator[tuple[Cluster, Cluster]]:
    """Lend a primary that acknowledges nothing that its standby does not have on its disk."""
    directory = Path(tempfile.mkdtemp(prefix="failover-"))
    primary, standby = Cluster(directory, "primary"), Cluster(directory, _STANDBY)
    try:
        primary.make()
        primary.start()
        primary.run("create role cairn login", "create database cairn owner cairn")
        primary.stop()
        primary.copy_to(standby)
        primary.start(synchronous_standby_names=_STANDBY)
        where = f"host=127.0.0.1 port={primary.port} user=postgres application_name={_STANDBY}"
        standby.start(primary_conninfo=where, hot_standby="on")
        yield primary, standby
    finally:
        for cluster in (primary, standby):
            cluster.kill()
        shutil.rmtree(directory, ignore_errors=True)


async def is_synchronous(primary: Cluster) -> bool:
    """Return whether the standby follows, and is waited for."""
    query = "select count(*) from pg_stat_replication where sync_state = 'sync'"
    async with await psycopg.AsyncConnection.connect(primary.url(), autocommit=True) as one:
        row = await (await one.execute(query)).fetchone()
    return row == (1,)
