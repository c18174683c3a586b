"""`cairn serve` with two workers, as the harness starts it, and what it may be asked."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from infrastructure.embedded_postgres.processes import ends_with_us
from tests.support.sse import Connection, Lost

ROOT = Path(__file__).resolve().parents[3]
IN_WORKER = Path(__file__).with_name("in_worker")
WORKERS = 2
PATIENCE = 2.0
"""Seconds that the servers have for a database that is away."""
MEMORY_MB = 256
"""The budget of one server process."""
START_WITHIN = 240.0
_SETTINGS = {
    "workers": WORKERS,
    "patience_seconds": PATIENCE,
    "memory_mb": MEMORY_MB,
    "worker_silence_seconds": 4,
    "head_seconds": 2,
    "ping_seconds": 2,
    "drain_seconds": 1,
}


class Server:
    """`cairn serve` with two workers on a socket of the harness, so that its port stays.

    Args:
        database_url: Where its data is.
        directory: For its log and its clock.
        broken: How it is broken on purpose; see `tests/faults/making/broken.py`.
    """

    def __init__(self, database_url: str, directory: Path, broken: str = "") -> None:
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port: int = self._listening.getsockname()[1]
        self.log = directory / "server.log"
        self.clock = directory / "clock"
        self.clock.write_text("0")
        self._serving = directory / "serving"
        self._serving.write_text("")
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("CAIRN_") and name != "DATABASE_URL"
        }
        own = {f"CAIRN_{name.upper()}": str(value) for name, value in _SETTINGS.items()}
        own["CAIRN_DATABASE_URL"] = database_url
        self._environment = {
            **clean,
            **own,
            "PYTHONPATH": f"{ROOT}{os.pathsep}{IN_WORKER}",
            "FAULTS_CLOCK": str(self.clock),
            "FAULTS_SERVING": str(self._serving),
            "FAULTS_BROKEN": broken,
            "TMPDIR": str(directory),
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; it answers when its workers do."""
        descriptor = self._listening.fileno()
        command = [
            sys.executable,
            "-P",
            "-c",
            "import sys; from api.cli import main; main(sys.argv[1:])",
        ]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "serve", "--listen", f"fd://{descriptor}"],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[descriptor],
                preexec_fn=ends_with_us(signal.SIGTERM),
            )

    @property
    def pid(self) -> int:
        """The supervisor."""
        assert self._process is not None
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether the supervisor runs."""
        return self._process is not None and self._process.poll() is None

    def workers(self) -> list[int]:
        """Return the processes of the workers, the oldest first."""
        return sorted(_children(self.pid))

    async def both_are_there(self, without: int = 0) -> None:
        """Wait until there are two workers and one of them answers.

        Args:
            without: One that has been killed.
        """

        async def are_there() -> bool:
            if not self.is_alive:
                # It ends where its workers cannot start on a database that is away.
                self.start()
            found = set(self.workers())
            if len(found) < WORKERS or without in found:
                return False
            # Which of them gets a connection is up to the system.
            return await ask(self.port, "/version", within=3) is not None

        await until(are_there, "two workers are there", START_WITHIN)

    async def serves_again(self) -> None:
        """Wait until a server that was started again answers, or has to be started once more."""
        deadline = time.monotonic() + START_WITHIN
        while time.monotonic() < deadline:
            if not self.is_alive:
                # It does not start on a database that is away, as an operator would see.
                await asyncio.sleep(0.5)
                self.start()
            if await ask(self.port, "/version", within=3) is not None:
                await self.both_are_there()
                return
        raise AssertionError(f"the server does not start again:\n{self.said()}")

    async def serves(self) -> None:
        """Wait until there are two workers, and whichever is asked is ready."""

        async def is_ready() -> bool:
            answered = await ask(self.port, "/ready", within=3)
            return answered is not None and answered[0] == 200

        await self.both_are_there()
        await until(is_ready, "the server is ready", START_WITHIN)

    def kill(self) -> None:
        """Kill the supervisor; its workers are asked to end when they notice."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self, within: float) -> int:
        """Ask it to end, and return its exit status.

        Raises:
            subprocess.TimeoutExpired: It does not.
        """
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(within)

    def close(self) -> None:
        """End whatever is left of it."""
        workers = self.workers() if self.is_alive else []
        self.kill()
        for worker in workers:
            with suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)
        self._listening.close()

    def serving(self) -> dict[int, float]:
        """Return when each worker so far began to take connections, by the monotonic clock."""
        lines = map(str.split, self._serving.read_text().splitlines())
        return {int(worker): float(at) for worker, at in lines}

    def said(self) -> str:
        """Return the end of its log."""
        return self.log.read_text(errors="replace")[-6000:]


async def until(condition: Callable[[], Any], what: str, within: float) -> None:
    """Wait for a condition; unlike `eventually` it leaves the processor to those waited for.

    Args:
        condition: Asked five times a second; may be a coroutine function.
        what: For the failure.
        within: Seconds.

    Raises:
        AssertionError: It is not met in time.
    """
    deadline = time.monotonic() + within
    while True:
        found = condition()
        if found if not asyncio.iscoroutine(found) else await found:
            return
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within:g} s: {what}")
        await asyncio.sleep(0.2)


async def ask(port: int, path: str, within: float) -> tuple[int, int, bytes] | None:
    """Ask over a connection of its own; return status, worker and body, or None.

    Args:
        port: Of the server.
        path: What.
        within: Seconds.
    """
    connection = Connection(port)
    try:
        async with asyncio.timeout(within):
            answer = await connection.request("GET", path)
    except (Lost, TimeoutError):
        return None
    finally:
        connection.close()
    return answer.status, int(answer.headers.get("x-cairn-worker", "0")), answer.body


def memory_of(pids: list[int]) -> dict[int, int]:
    """Return the bytes that processes hold; those that are gone are left out."""
    if not Path("/proc/self/statm").exists():
        asked = ["ps", "-o", "pid=,rss=", "-p", ",".join(map(str, pids)) or "0"]
        lines = (line.split() for line in _output(asked).splitlines())
        return {int(pid): int(kilobytes) * 1024 for pid, kilobytes in lines}
    found: dict[int, int] = {}
    for pid in pids:
        with suppress(OSError):
            pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            found[pid] = pages * os.sysconf("SC_PAGE_SIZE")
    return found


def processor_of(pid: int) -> tuple[float, float] | None:
    """Return for how many seconds the main thread of a process ran, and for how many it could not.

    Args:
        pid: Of the process; None is that it is gone, and 0 and 0 that the system does not tell.
    """
    if not Path("/proc/self/schedstat").exists():
        return 0.0, 0.0
    with suppress(OSError, ValueError):
        ran, starved, _ = Path(f"/proc/{pid}/schedstat").read_text().split()
        return int(ran) / 1e9, int(starved) / 1e9
    return None


def _children(pid: int) -> list[int]:
    """Return the processes that another one has started."""
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    if listed.exists():
        with suppress(OSError):
            return [*map(int, listed.read_text().split())]
        return []
    lines = (line.split() for line in _output(["ps", "-ax", "-o", "pid=,ppid="]).splitlines())
    return [int(child) for child, parent in lines if int(parent) == pid]


def _output(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def is_alive(pid: int) -> bool:
    """Return whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
