"""Which workers the supervisor kills, and what it does when it cannot start one."""

import errno
import os
import socket
import subprocess
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from api.cli.options import Failure
from api.cli.serving import supervisor
from api.cli.serving.connection_counts import ConnectionCounts, Place
from api.cli.serving.supervisor import Supervisor
from api.settings import Settings

SILENCE = 10.0
STARTING = 300.0


@dataclass
class Process:
    pid: int = 7
    killed: bool = False
    returncode: int | None = None

    def poll(self) -> int | None:
        return self.returncode

    def kill(self) -> None:
        self.killed = True


@pytest.mark.parametrize(
    ("is_ready", "silent_for", "killed"),
    [
        (True, SILENCE - 5, False),
        (True, SILENCE + 5, True),
        (False, SILENCE + 5, False),
        (False, STARTING - 5, False),
        (False, STARTING + 5, True),
    ],
)
def test_a_worker_that_gives_no_sign_is_killed(
    is_ready: bool, silent_for: float, killed: bool, tmp_path: Path
) -> None:
    process: Any = Process()
    settings = Settings(worker_silence_seconds=SILENCE)
    with socket.socket() as listening, closing(ConnectionCounts.make(1)) as counts:
        keeper: Any = Supervisor(settings, listening, tmp_path, counts, lambda: None)
        heard = time.monotonic() - silent_for
        worker: Any = supervisor._Worker(  # pyright: ignore[reportPrivateUsage]
            process, 0, Place(counts, 0), heard, is_ready=is_ready
        )
        keeper._workers.append(worker)
        keeper._end_the_silent()
    assert process.killed == killed


def test_a_worker_that_cannot_be_started_now_is_started_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = [OSError(errno.EAGAIN, "no room for a process"), OSError(errno.ENOMEM, "no memory")]
    pipes: list[int] = []
    process: Any = Process()
    make_pipe = os.pipe

    def start(*_: object, **__: object) -> Process:
        if refused:
            raise refused.pop()
        return process

    def pipe() -> tuple[int, int]:
        made = make_pipe()
        pipes.extend(made)
        return made

    monkeypatch.setattr(subprocess, "Popen", start)
    monkeypatch.setattr(os, "pipe", pipe)
    with socket.socket() as listening, closing(ConnectionCounts.make(1)) as counts:
        keeper: Any = Supervisor(Settings(workers=1), listening, tmp_path, counts, lambda: None)
        for failures in (1, 2):
            keeper._not_before = 0.0
            keeper._replace()
            assert (keeper._workers, keeper._failures) == ([], failures)
            # Not before a while.
            keeper._replace()
            assert keeper._failures == failures
        for one in pipes:
            with pytest.raises(OSError, match="Bad file descriptor"):
                os.fstat(one)
        keeper._not_before = 0.0
        keeper._replace()
        (worker,) = keeper._workers
        assert worker.process is process
        os.close(worker.signs)


def test_a_server_whose_workers_can_never_be_started_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(*_: object, **__: object) -> Process:
        raise OSError(errno.EAGAIN, "no room for a process")

    monkeypatch.setattr(subprocess, "Popen", start)
    with socket.socket() as listening, closing(ConnectionCounts.make(1)) as counts:
        keeper: Any = Supervisor(Settings(workers=1), listening, tmp_path, counts, lambda: None)
        keeper._failures = 2
        with pytest.raises(Failure, match="3 workers could not start"):
            keeper._replace()


class Clock:
    """Stands still until it is moved."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(supervisor, "time", SimpleNamespace(monotonic=lambda: self.now))


class Bells:
    """A selector that hears nothing, and tells how long it was to wait."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def register(self, *_: object) -> None: ...

    def unregister(self, *_: object) -> None: ...

    def select(self, seconds: float) -> list[Any]:
        self.waits.append(seconds)
        return []


def started(monkeypatch: pytest.MonkeyPatch) -> list[Process]:
    """Return the processes that will be started, as they come, instead of real ones."""
    made: list[Process] = []

    def start(*_: object, **__: object) -> Process:
        made.append(Process())
        return made[-1]

    monkeypatch.setattr(subprocess, "Popen", start)
    return made


def test_a_worker_that_ends_is_replaced_at_once_and_one_that_never_came_up_after_a_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, bells, made = Clock(monkeypatch), Bells(), started(monkeypatch)
    with socket.socket() as listening, closing(ConnectionCounts.make(1)) as counts:
        keeper: Any = Supervisor(Settings(workers=1), listening, tmp_path, counts, lambda: None)
        keeper._replace()
        keeper._workers[0].is_ready = True
        keeper._look()
        for many in range(2, 6):
            # It has served: nothing speaks against another one.
            made[-1].returncode = 1
            keeper._look()
            keeper._replace()
            assert len(made) == many
            keeper._workers[0].is_ready = True
        keeper._workers[0].is_ready = False
        pauses: list[float] = []
        for many in range(6, 80):
            # Once all have served, no number of failures ends the server.
            made[-1].returncode = 1
            keeper._look()
            keeper._replace()
            assert len(made) == many - 1
            keeper._sleep(bells, 1e9)
            pauses.append(bells.waits[-1])
            clock.now += pauses[-1]
            keeper._replace()
            assert len(made) == many
        assert pauses == sorted(pauses)
        assert 0 < pauses[0] < pauses[1] < pauses[-1] == pauses[-2] <= 60
        os.close(keeper._workers[0].signs)


def test_a_worker_that_has_served_is_replaced_at_once_though_another_one_never_came_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Clock(monkeypatch)
    made = started(monkeypatch)
    with socket.socket() as listening, closing(ConnectionCounts.make(2)) as counts:
        keeper: Any = Supervisor(Settings(workers=2), listening, tmp_path, counts, lambda: None)
        keeper._replace()
        served, other = keeper._workers
        served.is_ready = True
        other.process.returncode = 1
        keeper._look()
        keeper._replace()
        assert len(made) == 2
        served.process.returncode = 1
        keeper._look()
        keeper._replace()
        assert len(made) == 4
        for one in keeper._workers:
            os.close(one.signs)
