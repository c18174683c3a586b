"""A process that has imported the program, and starts it by making copies of itself.

    python -m tests.support.fork_server DESCRIPTOR

It takes requests from a socket, one message each with its descriptors; see `forking`.
"""

import fcntl
import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx

from tests.support import certificates

LONGEST_REQUEST = 1 << 17
"""Bytes of a request: arguments, environment, folder."""
MOST_DESCRIPTORS = 32


def main() -> None:
    """Serve until the other end is closed; in a copy, run what it was made for."""
    run = _serve(socket.socket(fileno=int(sys.argv[1])))
    if run is not None:
        run()


def _serve(requests: socket.socket) -> Callable[[], None] | None:
    _import_the_program()
    reports: dict[int, int] = {}
    woken, wake = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    while True:
        ready, _, _ = select.select([requests.fileno(), woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
            _report_the_ended(reports)
        if requests.fileno() in ready:
            said, descriptors, _, _ = socket.recv_fds(requests, LONGEST_REQUEST, MOST_DESCRIPTORS)
            if not said:
                return None
            report, *given = descriptors
            wanted = json.loads(said)
            copy = os.fork()
            if not copy:
                requests.detach()
                return _become(wanted, given)
            for one in given:
                os.close(one)
            reports[copy] = report
            _say(report, copy)


def _import_the_program() -> None:

    import api.cli
    import api.main

    for module in pkgutil.walk_packages(api.cli.__path__, "api.cli."):
        importlib.import_module(module.name)
    certificates.read_once()
    httpx.Client().close()
    # A thread would be missing in the copies, with whatever it has locked.
    tasks = list(Path("/proc/self/task").iterdir())
    assert len(tasks) == 1, "something that is imported starts a thread"
    gc.collect()
    gc.freeze()


def _report_the_ended(reports: dict[int, int]) -> None:
    while reports:
        copy, status = os.waitpid(-1, os.WNOHANG)
        if not copy:
            return
        report = reports.pop(copy)
        _say(report, os.waitstatus_to_exitcode(status))
        os.close(report)


def _say(report: int, number: int) -> None:
    with suppress(OSError):
        os.write(report, str(number).encode())


def _become(wanted: dict[str, Any], given: Sequence[int]) -> Callable[[], None]:
    """Have in this copy what a program finds that is executed, and return it."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if wanted["start_new_session"]:
        os.setsid()
    places: list[int] = wanted["descriptors"]
    above = max(places) + 1
    held = [fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, above) for one in given]
    for one, place in zip(held, places, strict=True):
        os.dup2(one, place)
    kept = {0, 1, 2, *places}
    for one in [int(open_one.name) for open_one in Path("/proc/self/fd").iterdir()]:
        if one not in kept:
            # The one with which the list was read is closed already.
            with suppress(OSError):
                os.close(one)
    if wanted["in_terminal"]:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    os.environ.clear()
    os.environ.update(wanted["environment"])
    time.tzset()
    tempfile.tempdir = None
    os.chdir(wanted["folder"])
    name, *arguments = wanted["arguments"]
    sys.argv = [name, *arguments]
    if name == "uvicorn":
        from uvicorn.main import main as uvicorn

        return lambda: uvicorn(arguments, prog_name=name)
    if name == "writers":
        from tests.support.writers import main as writers

        return lambda: writers(arguments)
    from api.cli import main as cairn

    return lambda: cairn(arguments)


if __name__ == "__main__":
    main()
