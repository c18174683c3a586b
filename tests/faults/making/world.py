"""What faults are made in: a durable Postgres, two workers, and a relay before each."""

import asyncio
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from infrastructure.embedded_postgres import PROGRAM_ROLE, EmbeddedPostgres
from infrastructure.embedded_postgres.layout import PORT
from infrastructure.postgres.connecting.migrations import grant, migrate
from tests.faults.making.relay import Relay
from tests.faults.making.server import START_WITHIN, Server

_SMALL = 64
"""MiB of a disk for the cluster when it is made, beside what the run writes."""


class World:
    """Everything that faults are made in.

    Args:
        cluster: The Postgres.
        server: The workers.
        database: Between the workers and Postgres.
        clients: Between clients and workers.
        disk: What the cluster is on, when it may be filled; None when not.
        why_no_disk: Why not.
    """

    def __init__(
        self,
        cluster: EmbeddedPostgres,
        data_dir: Path,
        server: Server,
        database: Relay,
        clients: Relay,
        disk: Path | None,
        why_no_disk: str,
    ) -> None:
        self.cluster = cluster
        self.data_dir = data_dir
        self.server = server
        self.database = database
        self.clients = clients
        self.disk = disk
        self.why_no_disk = why_no_disk

    async def sql(self, statement: str, *, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run a statement as the superuser, as soon as Postgres takes it.

        Args:
            statement: Safe to run twice.
            database: In which database.
        """
        url = self.cluster.superuser_url().replace("/postgres?", f"/{database}?")
        deadline = time.monotonic() + START_WITHIN
        while True:
            try:
                async with asyncio.timeout(10):
                    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as one:
                        cursor = await one.execute(statement)
                        return await cursor.fetchall() if cursor.description else []
            except (psycopg.OperationalError, TimeoutError, OSError):
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.1)


@contextmanager
def small_disk(at: Path, megabytes: int) -> Iterator[str]:
    """Put a file system in memory at a directory, and say why not where it cannot be done.

    Args:
        at: The directory.
        megabytes: How much it holds.
    """
    if sys.platform != "linux" or shutil.which("mount") is None:
        yield "this system has no tmpfs"
        return
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "tmpfs", str(at)],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        yield "this user may not mount a tmpfs"
        return
    try:
        yield ""
    finally:
        for options in ([], ["-l"]):
            command = ["umount", *options, str(at)]
            if subprocess.run(command, capture_output=True, check=False).returncode == 0:
                break


@asynccontextmanager
async def open_world(minutes: float, broken: str = "") -> AsyncIterator[World]:
    """Start everything, and leave nothing behind.

    Args:
        minutes: How long it is written to, for the size of the disk.
        broken: How the workers are broken on purpose.
    """
    directory = Path(tempfile.mkdtemp(prefix="faults-"))
    data_dir = directory / "data"
    data_dir.mkdir(mode=0o700)
    megabytes = int(448 + _SMALL + 60 * minutes)
    try:
        with small_disk(data_dir, megabytes) as why_no_disk:
            cluster = EmbeddedPostgres(data_dir)
            owner_url = await asyncio.to_thread(cluster.start)
            try:
                async with _served(cluster, owner_url, directory, why_no_disk, broken) as world:
                    yield world
            finally:
                await asyncio.to_thread(cluster.stop)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@asynccontextmanager
async def _served(
    cluster: EmbeddedPostgres, owner_url: str, directory: Path, why_no_disk: str, broken: str
) -> AsyncIterator[World]:
    await asyncio.to_thread(migrate, owner_url)
    await asyncio.to_thread(grant, owner_url, PROGRAM_ROLE)
    plug = f"{conninfo_to_dict(owner_url)['host']}/.s.PGSQL.{PORT}"
    database = Relay(lambda: asyncio.open_unix_connection(plug))
    async with database.serve():
        url = f"postgresql://{PROGRAM_ROLE}@127.0.0.1:{database.port}/cairn"
        server = Server(url, directory, broken)
        clients = Relay(lambda: asyncio.open_connection("127.0.0.1", server.port))
        data_dir = directory / "data"
        disk = None if why_no_disk else data_dir
        world = World(cluster, data_dir, server, database, clients, disk, why_no_disk)
        await world.sql("alter system set max_wal_size = '128MB'")
        await world.sql("alter system set min_wal_size = '32MB'")
        await world.sql("select pg_reload_conf()")
        async with clients.serve():
            try:
                server.start()
                await server.serves()
                yield world
            except AssertionError as error:
                raise AssertionError(f"{error}\n{server.said()}") from error
            finally:
                await asyncio.to_thread(server.close)
