"""Processes of Postgres: which of them live, and how they learn that their keeper does not."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


def server_processes(pgdata: Path) -> list[int]:
    """Process ids of every living Postgres process that works in a cluster.

    Postgres processes change into their data directory, so this needs no trust in any pid file. A
    system without /proc can tell by the command line, and of the first process of a server only.

    Args:
        pgdata: The data directory of the cluster.
    """
    if not Path("/proc/self/cwd").exists():
        return _servers_by_command_line(pgdata)
    found: list[int] = []
    with suppress(FileNotFoundError, NotADirectoryError):
        cluster = pgdata.stat()
        for process in Path("/proc").iterdir():
            with suppress(OSError):
                if (
                    process.name.isdigit()
                    and os.path.samestat((process / "cwd").stat(), cluster)
                    and (process / "comm").read_text().strip() == "postgres"
                ):
                    found.append(int(process.name))
    return found


def _servers_by_command_line(pgdata: Path) -> list[int]:
    listing = subprocess.run(
        ["/bin/ps", "-axww", "-o", "pid=,command="], check=True, capture_output=True, text=True
    )
    rows = (line.strip().partition(" ") for line in listing.stdout.splitlines())
    return [int(pid) for pid, _, command in rows if f"/postgres -D {pgdata} " in f"{command} "]


def send(process: int, request: signal.Signals) -> None:
    """Send a signal to a process that may have gone meanwhile.

    Args:
        process: Its id.
        request: What to send.
    """
    with suppress(ProcessLookupError):
        os.kill(process, request)


def ends_with_us(request: signal.Signals) -> Callable[[], None] | None:
    """What a child does before it becomes another program, to get a signal when the keeper dies.

    Other systems than Linux have no such thing: there the next keeper ends the orphaned server.

    Args:
        request: What the child gets.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    set_parent_death_signal = 1
    parent = os.getpid()

    def before_exec() -> None:
        prctl(set_parent_death_signal, int(request))
        if os.getppid() != parent:
            os._exit(1)

    return before_exec
