"""Cairn in processes of its own, which a test may kill and start again; and in this one."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, cast

import uvicorn

from api.http.around.middleware import RequestMiddleware
from api.main import create_app
from api.services import Services
from api.settings import Settings
from infrastructure.embedded_postgres.layout import Layout
from infrastructure.embedded_postgres.processes import server_processes
from tests.support.forking import Process, start
from tests.support.forking import uvicorn as uvicorn_command

ROOT = Path(__file__).resolve().parents[2]
_READY = re.compile(r"Uvicorn running on http://127\.0\.0\.1:(\d+)")
_PATIENCE = 90.0


class Cairn:
    """One server process.

    Args:
        database: The URL of a database, or the data directory of an embedded Postgres.
        log: The file for what it prints.
        root: Where the program is; this one by default.
        factory: What makes the program.
        **settings: As in `api.settings`.
    """

    def __init__(
        self,
        database: str | Path,
        log: Path,
        root: Path = ROOT,
        factory: str = "api.main:create_app",
        **settings: Any,
    ) -> None:
        where = "CAIRN_DATA_DIR" if isinstance(database, Path) else "CAIRN_DATABASE_URL"
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("CAIRN_") and name != "DATABASE_URL"
        }
        own = {f"CAIRN_{name.upper()}": str(value) for name, value in settings.items()}
        self._environment = {**clean, **own, where: str(database)}
        self._log = log
        self._root = root
        self._factory = factory
        self._process: Process | None = None
        self.port = 0

    @property
    def pid(self) -> int:
        """The process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it, and return when it serves."""
        self._log.write_bytes(b"")
        command = uvicorn_command(
            *("--factory", self._factory, "--host", "127.0.0.1", "--port", "0", "--no-access-log"),
            # Else it would serve on without what its start has failed at.
            *("--lifespan", "on"),
        )
        with self._log.open("ab") as log:
            self._process = start(
                command, self._environment, stdout=log, stderr=log, cwd=self._root
            )
        deadline = time.monotonic() + _PATIENCE
        while not (ready := _READY.search(self.said)):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"the server did not start:\n{self.said[-4000:]}")
            time.sleep(0.01)
        self.port = int(ready[1])

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def said(self) -> str:
        """What it has printed."""
        return self._log.read_text()

    def send(self, request: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, request)

    def kill(self) -> None:
        """End it as a crash does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(_PATIENCE)

    def stop(self) -> int:
        """Ask it to end, and return its exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(_PATIENCE)

    def rss(self) -> int:
        """The bytes of memory it holds."""
        asked = subprocess.run(
            ["ps", "-o", "rss=", "-p", str(self.pid)], check=True, capture_output=True
        )
        return int(asked.stdout) * 1024


@contextmanager
def serving(
    database: str | Path, logs: Path, count: int = 1, **settings: Any
) -> Iterator[list[Cairn]]:
    """Run server processes over one database.

    Args:
        database: As for `Cairn`.
        logs: A folder.
        count: How many.
        **settings: As in `api.settings`.
    """
    servers = [Cairn(database, logs / f"cairn-{i}.log", **settings) for i in range(count)]
    try:
        with ThreadPoolExecutor() as pool:
            list(pool.map(Cairn.start, servers))
        yield servers
    finally:
        for server in servers:
            with suppress(AssertionError, subprocess.TimeoutExpired):
                server.stop()
            server.kill()


@asynccontextmanager
async def in_this_process(**settings: Any) -> AsyncIterator[tuple[int, Services]]:
    """Serve on a real socket, in the loop of the test, and lend the port and the services."""
    app = cast("RequestMiddleware", create_app(Settings(**settings)))
    server = uvicorn.Server(
        uvicorn.Config(cast("Any", app), log_config=None, lifespan="on", ws="none")
    )
    with socket.create_server(("127.0.0.1", 0)) as plug:
        task = asyncio.create_task(server.serve(sockets=[plug]))
        try:
            deadline = time.monotonic() + _PATIENCE
            while not server.started:
                assert not task.done(), "the server did not start"
                assert time.monotonic() < deadline, "the server has not started in time"
                await asyncio.sleep(0.005)
            services = app.services
            assert isinstance(services, Services)
            yield plug.getsockname()[1], services
            services.fan_out.close()
        finally:
            server.should_exit = True
            await task


def keeper_pid(data_dir: Path) -> int:
    """The process that owns the Postgres of a data directory."""
    owner = Layout.of(data_dir).owner()
    assert owner is not None
    return owner.pid


def postmaster_pid(data_dir: Path) -> int:
    """The first process of the Postgres of a data directory."""
    pid = Layout.of(data_dir).postmaster_pid()
    assert pid is not None
    return pid


def kill_postmaster(data_dir: Path) -> None:
    """Kill -9 the first process of Postgres; the others notice and go."""
    os.kill(postmaster_pid(data_dir), signal.SIGKILL)


def kill_everything(data_dir: Path, *servers: Cairn) -> None:
    """Kill -9 the keeper, each process of Postgres, and the servers."""
    postgres = server_processes(Layout.of(data_dir).pgdata)
    for pid in [keeper_pid(data_dir), *(server.pid for server in servers), *postgres]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for server in servers:
        server.kill()


@contextmanager
def frozen_postgres(data_dir: Path) -> Iterator[None]:
    """Have every process of Postgres stand still, its first one first so that none is added."""
    pgdata = Layout.of(data_dir).pgdata
    first = postmaster_pid(data_dir)
    os.kill(first, signal.SIGSTOP)
    stopped = [first]
    try:
        for pid in server_processes(pgdata):
            if pid != first:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)
                    stopped.append(pid)
        yield
    finally:
        for pid in reversed(stopped):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
