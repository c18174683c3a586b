"""Starts and ends the processes that a run needs: Postgres, `cairn serve` and the floor apps."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.sql import SQL, Identifier

from bench.wire import HOST, WORKER_HEADER, Client, get
from infrastructure.embedded_postgres import EmbeddedPostgres

ROOT = Path(__file__).resolve().parents[1]
_READY_WITHIN = 60.0
_STOP_WITHIN = 20.0
_SHOWN = (
    "server_version",
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "data_checksums",
    "shared_buffers",
    "max_connections",
)


def free_port() -> int:
    """A port that the operating system says is free."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        port: int = listener.getsockname()[1]
        return port


class Postgres:
    """The one database server of the run, shared by Cairn, the floors and the peers."""

    def __init__(self, url: str, embedded: EmbeddedPostgres | None) -> None:
        self.url = url
        self._embedded = embedded
        self._admin_url = embedded.superuser_url() if embedded is not None else url

    @classmethod
    async def start(cls, data_dir: Path, url: str | None) -> Self:
        """The embedded Postgres in `data_dir`, or the server behind `url` when there is one."""
        if url is not None:
            return cls(url, None)
        embedded = EmbeddedPostgres(data_dir)
        return cls(await asyncio.to_thread(embedded.start), embedded)

    async def stop(self) -> None:
        """End the embedded server; a server given by URL is left alone."""
        if self._embedded is not None:
            await asyncio.to_thread(self._embedded.stop)

    def conninfo(self, database: str) -> str:
        """How to connect to another database on this server."""
        return make_conninfo(self._admin_url, dbname=database)

    def parameters(self, database: str) -> dict[str, str]:
        """The same as separate parameters."""
        found = conninfo_to_dict(self.conninfo(database))
        return {name: str(value) for name, value in found.items() if value is not None}

    def fresh_database(self, name: str) -> str:
        """An empty database; answers how to connect to it."""
        self.drop_database(name)
        with self._connect() as connection:
            connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
        return self.conninfo(name)

    def drop_database(self, name: str) -> None:
        """Remove a database and whoever is connected to it."""
        statement = SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name))
        with self._connect() as connection:
            connection.execute(statement)

    def settle(self) -> None:
        """After bulk seeding: statistics and a checkpoint, as a running system would have."""
        for database in (self._database, "bench_floor"):
            conninfo = self.conninfo(database)
            with psycopg.connect(conninfo, autocommit=True) as connection:
                connection.execute("VACUUM (ANALYZE)")
        with self._connect() as connection:
            connection.execute("CHECKPOINT")

    def spread_sessions(self) -> None:
        """Have the sessions been active a second apart, as those of the floor.

        Made one after the other, hundreds are of one second, and each page would sort them all.
        """
        with psycopg.connect(self.conninfo(self._database), autocommit=True) as connection:
            connection.execute(
                """WITH spread AS (
                     SELECT session_id, date_trunc('second', now()) - position * interval '1.001 s'
                       AS at FROM sessions)
                   UPDATE sessions AS s
                   SET last_activity_at = at, activity_second = date_trunc('second', at)
                   FROM spread WHERE spread.session_id = s.session_id"""
            )

    def is_used(self) -> bool:
        """Whether anybody is connected to Cairn's database, as the program must be."""
        with self._connect() as connection:
            row = connection.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = %s AND pid <> pg_backend_pid()",
                [self._database],
            ).fetchone()
        return row is not None and row[0] > 0

    def settings(self) -> dict[str, str]:
        """What matters for durability and speed."""
        with self._connect() as connection:
            rows = connection.execute(
                "SELECT name, setting || coalesce(unit, '') FROM pg_settings WHERE name = ANY(%s)",
                [list(_SHOWN)],
            ).fetchall()
        return dict(rows)

    def program(self, name: str) -> str | None:
        """A Postgres client program: beside the server's own binaries, else on PATH."""
        with contextlib.suppress(psycopg.Error), self._connect() as connection:
            row = connection.execute(
                "SELECT setting FROM pg_config WHERE name = 'BINDIR'"
            ).fetchone()
            if row and (path := Path(row[0], name)).exists():
                return str(path)
        return shutil.which(name)

    @property
    def _database(self) -> str:
        return str(conninfo_to_dict(self.url).get("dbname") or "postgres")

    def _connect(self) -> "psycopg.Connection[tuple[Any, ...]]":
        return psycopg.connect(self._admin_url, autocommit=True)


class Server:
    """One HTTP server process, with the workers below it."""

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        log: Path,
        *,
        workers: int,
        environment: Mapping[str, str],
    ) -> None:
        self.name = name
        self.workers = workers
        self.port = 0
        self._argv = argv
        self._environment = environment
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> Self:
        """Start on a free port and wait until each worker says that it is ready."""
        self.port = free_port()
        argv = [part.replace("{port}", str(self.port)) for part in self._argv]
        said_before = self._log.stat().st_size if self._log.exists() else 0
        try:
            with self._log.open("ab") as output:
                self._process = subprocess.Popen(
                    argv,
                    cwd=ROOT,
                    env={**os.environ, **self._environment},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                )
            async with asyncio.timeout(_READY_WITHIN):
                while len(await self._ready_workers()) < self.workers:
                    if self._process.poll() is not None:
                        raise RuntimeError(f"ended with code {self._process.returncode}")
                    await asyncio.sleep(0.1)
        except (OSError, RuntimeError) as error:  # TimeoutError is an OSError
            await self.stop()
            log = self._log.read_bytes()[said_before:].decode(errors="replace").strip()
            last = log.splitlines()[-1][-160:] if log else "nothing"
            what = f"{type(error).__name__} {error}".strip()
            raise RuntimeError(
                f"{self.name} did not become ready: {what}; its last words: {last}"
            ) from error
        return self

    async def stop(self) -> None:
        """Ask it to end, and make it end."""
        if self._process is None:
            return
        tree = self._tree()
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(self._process.wait, _STOP_WITHIN)
        # A pid is only signalled again while it is certainly ours: when the parent is still there.
        if self._process.poll() is None:
            _kill(tree)
        self._process.wait()
        self._process = None

    async def kill(self) -> None:
        """kill -9 of the server and its workers, as a crash would."""
        assert self._process is not None
        _kill(self._tree())
        await asyncio.to_thread(self._process.wait)
        self._process = None

    def rss_mb(self) -> float:
        """Resident memory of the server and its workers, in megabytes."""
        table = _processes()
        return sum(table[pid][1] for pid in self._tree() if pid in table) / 1024

    def processor_seconds(self) -> float | None:
        """Processor time of the server and its workers so far; None where no /proc tells it."""
        try:
            fields = [_stat(pid) for pid in self._tree()]
        except OSError:
            return None
        # User and system time, by proc_pid_stat(5) the 14th and 15th field.
        ticks = sum(int(own[11]) + int(own[12]) for own in fields)
        return ticks / os.sysconf("SC_CLK_TCK")

    async def _ready_workers(self) -> set[str | None]:
        """The workers that answer, as far as a handful of connections at once find them."""
        tries = (self._ready_worker() for _ in range(8 * self.workers - 7))
        found = await asyncio.gather(*tries, return_exceptions=True)
        return {worker for worker in found if not isinstance(worker, BaseException)}

    async def _ready_worker(self) -> str | None:
        client = await Client.connect(self.port)
        try:
            async with asyncio.timeout(5):
                return (await client.send(get("/ready"))).expect(200).header(WORKER_HEADER)
        finally:
            client.close()

    def _tree(self) -> list[int]:
        assert self._process is not None
        table = _processes()
        tree = [self._process.pid]
        for parent in tree:
            tree += [pid for pid, (ppid, _) in table.items() if ppid == parent]
        return tree


def cairn_server(
    workers: int, data_dir: Path, url: str | None, log: Path, more: Mapping[str, str]
) -> Server:
    """The program under test."""
    beside = Path(sys.executable).with_name("cairn")
    program = os.environ.get("CAIRN_BENCH_PROGRAM", str(beside))
    argv = [program, "serve", "--host", HOST]
    argv += ["--port", "{port}", "--workers", str(workers), "--log-format", "json"]
    if url is None:
        argv += ["--data-dir", str(data_dir)]
    environment = {**more} if url is None else {**more, "DATABASE_URL": url}
    return Server("cairn", argv, log, workers=workers, environment=environment)


def floor_server(kind: str, workers: int, conninfo: str, log: Path) -> Server:
    """A bare app under the same uvicorn: `asgi` or `litestar`."""
    argv = [sys.executable, "-m", "uvicorn", f"bench.floor_app:{kind}", "--host", HOST]
    argv += ["--port", "{port}", "--workers", str(workers), "--loop", "uvloop"]
    argv += ["--http", "httptools", "--no-access-log", "--log-level", "error"]
    environment = {"FLOOR_DSN": conninfo, "FLOOR_WORKERS": str(workers)}
    return Server(f"floor {kind}", argv, log, workers=workers, environment=environment)


def _processes() -> dict[int, tuple[int, int]]:
    """Every process: its parent and its resident kilobytes."""
    output = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid=,rss="], capture_output=True, text=True, check=True
    ).stdout
    rows = (line.split() for line in output.splitlines())
    return {int(pid): (int(ppid), int(rss)) for pid, ppid, rss in rows}


def _stat(pid: int) -> list[str]:
    """What /proc says of a process, from its state on: its name may have spaces in it."""
    return Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()


def _kill(pids: Sequence[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
