"""The program in processes of its own, that need not import it each.

What starts it pays over a second of processor time for what it imports. Here only the first of
each command does, as that of a user: those after it are copies of a process that has imported
everything (`fork_server`), with arguments, environment, folder, descriptors and session of their
own, as if they were executed.
"""

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, Self

from tests.support.fork_server import LONGEST_REQUEST

ROOT = Path(__file__).resolve().parents[2]
_MAIN = "import sys; from api.cli import main; main(sys.argv[1:])"
_CAIRN = [sys.executable, "-P", "-c", _MAIN]
_UVICORN = [sys.executable, "-m", "uvicorn"]
_WRITERS = [sys.executable, "-m", "tests.support.writers"]
_KNOWN = {"cairn": _CAIRN, "uvicorn": _UVICORN, "writers": _WRITERS}
_OWN = {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


def run(
    command: Sequence[str],
    env: Mapping[str, str],
    timeout: float,
    cwd: Path | None = None,
) -> "subprocess.CompletedProcess[str]":
    """Start a command line, and return what it says when it has ended.

    Args:
        command: As for `start`.
        env: All of its environment.
        timeout: Seconds.
        cwd: Its folder; that of this process by default.

    Raises:
        subprocess.TimeoutExpired: It was killed after so many seconds.
    """
    with TemporaryFile("w+") as out, TemporaryFile("w+") as err:
        with start(command, env, stdout=out, stderr=err, cwd=cwd) as process:
            try:
                code = process.wait(timeout)
            finally:
                process.kill()
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(command, code, out.read(), err.read())


def cairn(*arguments: str) -> list[str]:
    """Return the command line of `cairn`."""
    return [*_CAIRN, *arguments]


def writers(*arguments: str) -> list[str]:
    """Return the command line of `tests.support.writers`."""
    return [*_WRITERS, *arguments]


def uvicorn(*arguments: str) -> list[str]:
    """Return the command line of uvicorn."""
    return [*_UVICORN, *arguments]


def start(
    command: Sequence[str],
    env: Mapping[str, str],
    *,
    stdin: int | None = subprocess.DEVNULL,
    stdout: int | IO[Any] | None = None,
    stderr: int | IO[Any] | None = None,
    cwd: Path | None = None,
    start_new_session: bool = False,
    in_terminal: bool = False,
    pass_fds: Collection[int] = (),
) -> "Process":
    """Start a command line, of which the text is read; the arguments are those of `Popen`.

    Args:
        command: By `cairn`, `uvicorn` or `writers`, or any other, which is executed.
        env: All of its environment.
        stdin: None or a descriptor.
        stdout: PIPE, DEVNULL or a file.
        stderr: PIPE, DEVNULL or a file.
        cwd: Its folder; that of this process by default.
        start_new_session: Whether it leads a session and a group.
        in_terminal: Whether what it reads is the terminal of its session.
        pass_fds: What it inherits besides.
    """
    folder = cwd or Path.cwd()
    as_copy = _of_copy(command, env, folder)
    if as_copy is None:
        return subprocess.Popen(
            command,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            text=True,
            env=env,
            cwd=cwd,
            start_new_session=start_new_session,
            preexec_fn=_take_terminal if in_terminal else None,
            pass_fds=pass_fds,
        )
    request = {
        "arguments": as_copy,
        "environment": dict(env),
        "folder": str(folder),
        "start_new_session": start_new_session,
        "in_terminal": in_terminal,
    }
    return Copy(request, stdin, stdout, stderr, pass_fds)


def _take_terminal() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


_begun: set[str] = set()


def _of_copy(command: Sequence[str], env: Mapping[str, str], folder: Path) -> list[str] | None:
    """Return what a copy has as its arguments; None says that the command is to be executed."""
    name, arguments = "", list[str]()
    for known, prefix in _KNOWN.items():
        if list(command[: len(prefix)]) == prefix:
            name, arguments = known, list(command[len(prefix) :])
    # With `-m`, the program is that of the folder, which may be another release.
    another = name != "cairn" and folder != ROOT
    if not name or another or sys.platform != "linux":
        return None
    kind = " ".join([name, *arguments[:1]]) if name == "cairn" else name
    if kind not in _begun and name != "writers":
        _begun.add(kind)
        return None
    for one, value in env.items():
        # What only an interpreter reads that starts.
        if one.startswith("PYTHON") and value not in (_OWN.get(one), os.environ.get(one)):
            return None
    return [name, *arguments]


class _ForkServer:
    """The process that makes the copies, started when the first is asked for."""

    def __init__(self) -> None:
        self._requests: socket.socket | None = None

    def ask(self, request: Mapping[str, Any], descriptors: Sequence[int]) -> None:
        said = json.dumps(request).encode()
        assert len(said) <= LONGEST_REQUEST
        if self._requests is None:
            self._requests = self._start()
        socket.send_fds(self._requests, [said], descriptors)

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        module = "tests.support.fork_server"
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", module, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                env={**os.environ, **_OWN},
                pass_fds=[theirs.fileno()],
                # Ctrl-C is for the tests alone.
                start_new_session=True,
            )

        def stop() -> None:
            ours.close()
            process.wait()

        atexit.register(stop)
        return ours


_server = _ForkServer()


class Copy:
    """A copy of the fork server, with what is used here of `subprocess.Popen`.

    Args:
        request: What it is to be.
        stdin: None for nothing to read, or a descriptor.
        stdout: PIPE, DEVNULL, a file, or None for that of the tests.
        stderr: Likewise.
        pass_fds: What it inherits besides.
    """

    def __init__(
        self,
        request: Mapping[str, Any],
        stdin: int | None,
        stdout: int | IO[Any] | None,
        stderr: int | IO[Any] | None,
        pass_fds: Collection[int],
    ) -> None:
        self.returncode: int | None = None
        self.stdout: IO[str] | None = None
        self.stderr: IO[str] | None = None
        self._reports, reports = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ExitStack() as given:
            given.enter_context(reports)
            nothing = given.enter_context(Path(os.devnull).open("r+b")).fileno()
            if stdin is None or stdin == subprocess.DEVNULL:
                stdin = nothing
            if stdout == subprocess.PIPE:
                self.stdout, stdout = self._pipe(given)
            if stderr == subprocess.PIPE:
                self.stderr, stderr = self._pipe(given)
            outputs = [1 if stdout is None else stdout, 2 if stderr is None else stderr]
            outputs = [nothing if one == subprocess.DEVNULL else one for one in outputs]
            numbers = [one if isinstance(one, int) else one.fileno() for one in outputs]
            _server.ask(
                {**request, "descriptors": [0, 1, 2, *pass_fds]},
                [reports.fileno(), stdin, *numbers, *pass_fds],
            )
        self.pid = self._told()

    def _pipe(self, given: ExitStack) -> tuple[IO[str], int]:
        reading, writing = os.pipe()
        given.callback(os.close, writing)
        return os.fdopen(reading), writing

    def _told(self) -> int:
        said = self._reports.recv(64)
        assert said, "the fork server has ended; what it printed says why"
        return int(said)

    def poll(self) -> int | None:
        """Return how it has ended, or None."""
        with suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def wait(self, timeout: float | None = None) -> int:
        """Return how it has ended."""
        if self.returncode is None:
            ready, _, _ = select.select([self._reports], [], [], timeout)
            if not ready:
                raise subprocess.TimeoutExpired("a copy", timeout or 0)
            self.returncode = self._told()
            self._reports.close()
        return self.returncode

    def send_signal(self, sig: int) -> None:
        """Send it a signal, if it has not ended."""
        if self.poll() is None:
            # Its end is told a moment after it is gone.
            with suppress(ProcessLookupError):
                os.kill(self.pid, sig)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for one in (self.stdout, self.stderr):
            if one is not None:
                one.close()
        self.wait()


Process = subprocess.Popen[str] | Copy
"""A process that was started."""
