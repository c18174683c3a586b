"""Several worker processes on one socket: started, replaced when they die, stopped together.

Each worker sends a sign of life every second from its event loop. One whose loop stands still keeps
its clients and its jobs waiting without dying: it is killed, so that others can go on.
"""

import logging
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import multiprocess
from pydantic import SecretStr

from api.cli.options import Failure
from api.cli.serving.connection_counts import ConnectionCounts, Place
from api.cli.serving.server import LONGEST_STOP
from api.cli.serving.worker import FROM_THE_TERMINAL
from api.http.around.countdown import STEP, Countdown
from api.http.around.drain import SCHEMA_NEWER_STATUS
from api.settings import Settings
from domain.counted import counted

_LONGEST_PAUSE = 5.0
_FIRST_PAUSE = 0.1
_TICK = 1.0
_LATE_TICK = 3.0
_FAILED_STARTS = 3
_STARTS_WITHIN = 300.0
"""Seconds: a start that takes longer stands still somewhere."""
_IMPORT_ROOT = Path(__file__).resolve().parents[3]

_logger = logging.getLogger("cairn.workers")


@dataclass(slots=True)
class _Worker:
    process: subprocess.Popen[bytes]
    signs: int
    place: Place
    heard: float
    is_ready: bool = False


class Supervisor:
    """Keeps workers running until SIGINT or SIGTERM.

    Args:
        settings: How they run; they are handed over in the environment, which others cannot read.
        listening: The socket that they share.
        metrics: A directory where they leave their figures for each other.
        counts: Where they count their connections for each other.
        ready: Called when all of them answer for the first time.
    """

    def __init__(
        self,
        settings: Settings,
        listening: socket.socket,
        metrics: Path,
        counts: ConnectionCounts,
        ready: Callable[[], None],
    ) -> None:
        self._many = settings.workers
        self._environment = _environment(settings) | {"PROMETHEUS_MULTIPROC_DIR": str(metrics)}
        self._metrics = metrics
        self._listening = listening
        self._counts = counts
        self._ready = ready
        self._announced = False
        self._asked = 0
        self._workers: list[_Worker] = []
        self._silence = settings.worker_silence_seconds
        self._looked = time.monotonic()
        self._failures = 0
        self._not_before = 0.0

    def run(self) -> None:
        """Run them.

        Raises:
            Failure: One of them cannot start.
        """
        with self._awake() as bells:
            try:
                while not self._asked:
                    self._replace()
                    self._sleep(bells, _TICK)
                    self._look()
                    self._end_the_silent()
            finally:
                self._stop(bells)

    @contextmanager
    def _awake(self) -> Generator[selectors.BaseSelector]:
        """Turn signals into something to select on, so that each is noticed at once."""
        receiver, sender = os.pipe()
        os.set_blocking(receiver, False)
        os.set_blocking(sender, False)
        bells = selectors.DefaultSelector()
        bells.register(receiver, selectors.EVENT_READ, None)
        handlers = {
            number: signal.signal(number, self._heard)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)
        }
        before = signal.set_wakeup_fd(sender, warn_on_full_buffer=False)
        try:
            yield bells
        finally:
            signal.set_wakeup_fd(before)
            for number, handler in handlers.items():
                signal.signal(number, handler)
            bells.close()
            os.close(receiver)
            os.close(sender)

    def _heard(self, number: int, _: object) -> None:
        if number != signal.SIGCHLD:
            self._asked += 1

    def _replace(self) -> None:
        if time.monotonic() >= self._not_before:
            while len(self._workers) < self._many:
                try:
                    self._workers.append(self._start())
                except OSError as error:
                    # Those that there are go on, and there may be room for another one soon.
                    self._has_failed(f"no worker can be started: {error}")
                    return

    def _start(self) -> _Worker:
        taken = {one.place.number for one in self._workers}
        place = min(set(range(self._many)) - taken)
        receiver, sender = os.pipe()
        os.set_blocking(receiver, False)
        descriptors = (self._listening.fileno(), sender, self._counts.descriptor)
        command = [sys.executable, "-P", "-m", "api.cli.serving.worker"]
        # What a terminal sends reaches the whole group: a worker has it wait until it knows what to
        # do about it.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, FROM_THE_TERMINAL)
        try:
            process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [*command, *map(str, (*descriptors, place, os.getpid()))],
                stdin=subprocess.DEVNULL,
                env=self._environment,
                pass_fds=descriptors,
            )
        except OSError:
            os.close(receiver)
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            os.close(sender)
        return _Worker(process, receiver, Place(self._counts, place), time.monotonic())

    def _sleep(self, bells: selectors.BaseSelector, seconds: float) -> None:
        for one in self._workers:
            bells.register(one.signs, selectors.EVENT_READ, one)
        try:
            if len(self._workers) < self._many:
                seconds = min(seconds, max(self._not_before - time.monotonic(), 0.0))
            for key, _ in bells.select(seconds):
                said = b""
                with suppress(BlockingIOError):
                    said = os.read(key.fd, 4096)
                if key.data is not None and said:
                    key.data.is_ready = True
                    key.data.heard = time.monotonic()
        finally:
            for one in self._workers:
                bells.unregister(one.signs)

    def _look(self) -> None:
        for one in self._ended():
            self._bury(one)
            if one.process.returncode == SCHEMA_NEWER_STATUS:
                # None of this release can be started any more; the others end by themselves too.
                self._asked += 1
            if self._asked:
                continue
            pid, status = one.process.pid, one.process.returncode
            what = f"worker {pid} ended with status {status}; starting another"
            if one.is_ready:
                self._failures, self._not_before = 0, 0.0
                _logger.warning(what)
            else:
                self._has_failed(what)
        if all(one.is_ready for one in self._workers) and len(self._workers) == self._many:
            self._failures = 0
            if not self._announced:
                self._announced = True
                self._ready()

    def _has_failed(self, what: str) -> None:
        """Count a worker that did not come up, and leave more time before the next one.

        Raises:
            Failure: There never was a whole set of workers, and it is not the first failure.
        """
        _logger.warning(what)
        self._failures += 1
        if not self._announced and self._failures >= _FAILED_STARTS:
            raise Failure(
                f"{counted(self._failures, 'worker')} could not start; the log above says why."
            )
        pause = min(_FIRST_PAUSE * 2**self._failures, _LONGEST_PAUSE)
        self._not_before = time.monotonic() + pause

    def _end_the_silent(self) -> None:
        """Kill the workers whose loop has stood still for too long, or that never came up."""
        now = time.monotonic()
        if now - self._looked > _LATE_TICK:
            # This process itself was held up, and has not listened meanwhile.
            for one in self._workers:
                one.heard = now
        self._looked = now
        for one in self._workers:
            if now - one.heard > (self._silence if one.is_ready else _STARTS_WITHIN):
                seconds = now - one.heard
                pid = one.process.pid
                _logger.error("worker %s has not moved for %.0f s; it is killed", pid, seconds)
                one.process.kill()
                one.heard = now

    def _ended(self) -> list[_Worker]:
        return [one for one in self._workers if one.process.poll() is not None]

    def _bury(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        worker.place.leave()
        os.close(worker.signs)
        gone = worker.process.pid, str(self._metrics)
        multiprocess.mark_process_dead(*gone)  # type: ignore[no-untyped-call]

    def _stop(self, bells: selectors.BaseSelector) -> None:
        """Ask all to end, and end those that do not."""
        # Whoever still connects is refused, and not left waiting for nobody.
        self._listening.close()
        asked, countdown = self._asked, Countdown(LONGEST_STOP)
        for one in self._workers:
            one.process.terminate()
        while self._workers and countdown.left() and self._asked <= max(asked, 1):
            for key, _ in bells.select(STEP):
                os.read(key.fd, 4096)
            for one in self._ended():
                self._bury(one)
        for one in list(self._workers):
            one.process.kill()
            one.process.wait()
            self._bury(one)


def _environment(settings: Settings) -> dict[str, str]:
    """Return the environment in which a worker finds these very settings."""
    names = {f"CAIRN_{name.upper()}" for name in Settings.model_fields}
    environment = {name: value for name, value in os.environ.items() if name not in names}
    for name in Settings.model_fields:
        value = getattr(settings, name)
        if value is not None:
            shown = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
            environment[f"CAIRN_{name.upper()}"] = shown
    paths = [str(_IMPORT_ROOT), os.environ.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    return environment
