"""The program as its users start it: real processes, on ports that the system chooses.

All servers of a run share one data directory, so only the first start makes a cluster.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from infrastructure.embedded_postgres import EmbeddedPostgres
from tests.support import forking
from tests.support.forking import cairn, start

ROOT = Path(__file__).parents[2]
PATIENCE = 90.0
# Less than the 30 s that a request, a wait or a client that does not read may take; most of it is
# for a busy machine.
STOP_WITHIN = 10.0


def environment(**more: str) -> dict[str, str]:
    """That of a user who has set nothing of ours, except `more`."""
    ours = {
        name: value
        for name, value in os.environ.items()
        if name != "DATABASE_URL" and (not name.startswith("CAIRN_") or name == "CAIRN_PG_BIN")
    }
    return ours | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"} | more


def run(
    *arguments: str,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    patience: float = PATIENCE,
) -> "subprocess.CompletedProcess[str]":
    return forking.run(cairn(*arguments), environment(**(env or {})), patience, cwd)


def eventually(holds: Callable[[], bool], patience: float = PATIENCE) -> bool:
    """Whether something that is under way comes to be."""
    deadline = time.monotonic() + patience
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


class Served:
    """A server that runs."""

    def __init__(
        self,
        command: list[str],
        log: Path,
        env: Mapping[str, str],
        pass_fds: Collection[int] = (),
    ) -> None:
        self.log = log
        with log.open("ab") as errors:
            self.process = start(
                command,
                environment(**env, TMPDIR=str(log.parent)),
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
                pass_fds=pass_fds,
            )
        assert self.process.stdout is not None
        self.output = self.process.stdout
        first = self.output.readline()
        if "is ready on" not in first:
            self.close()
            pytest.fail(f"it does not start: {first}{self.errors()}")
        self.url = json.loads(first)["url"] if first.startswith("{") else first.split()[-1]
        self.port = int(self.url.rpartition(":")[2]) if self.url.startswith("http") else 0

    def errors(self) -> str:
        return self.log.read_text()

    def words(self) -> str:
        """The rest of what it prints when it is ready."""
        lines: list[str] = []
        while not lines or "stop" not in lines[-1]:
            lines.append(self.output.readline())
        return "".join(lines)

    def post(self, path: str, body: Any = None, **headers: str) -> dict[str, Any]:
        answer = httpx.post(self.url + path, json=body or {}, headers=headers, timeout=PATIENCE)
        assert answer.is_success, answer.text
        result: dict[str, Any] = answer.json()
        return result

    def session(self) -> str:
        session_id: str = self.post("/v1/sessions", {"app": "a", "user": "u"})["session"]["id"]
        return session_id

    def say(self, session_id: str, text: str) -> int:
        body = {"role": "user", "parts": [{"type": "text", "text": text}]}
        sequence: int = self.post(f"/v1/sessions/{session_id}/messages", body)["sequence"]
        return sequence

    def request(self, head: str, *headers: str, receive_buffer: int | None = None) -> socket.socket:
        """Send a request by hand, and leave the answer in the socket."""
        connection = socket.socket()
        connection.settimeout(PATIENCE)
        if receive_buffer is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.connect(("127.0.0.1", self.port))
        lines = [f"{head} HTTP/1.1", "Host: localhost", *headers, "", ""]
        connection.sendall("\r\n".join(lines).encode())
        return connection

    def stream(self, session_id: str, receive_buffer: int | None = None) -> socket.socket:
        head = f"GET /v1/sessions/{session_id}/events"
        return self.request(head, "Accept: text/event-stream", receive_buffer=receive_buffer)

    def end(self, number: int = signal.SIGTERM) -> tuple[int, float]:
        """Send a signal, and say how and after how many seconds it has ended."""
        before = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE)
        return code, time.monotonic() - before

    def close(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.output.close()


def read_until(connection: socket.socket, words: bytes) -> bytes:
    said = b""
    while words not in said:
        chunk = connection.recv(65536)
        assert chunk, said[-500:]
        said += chunk
    return said


def read_all(connection: socket.socket) -> bytes:
    with connection:
        chunks: list[bytes] = []
        while chunk := connection.recv(65536):
            chunks.append(chunk)
    return b"".join(chunks)


@pytest.fixture(scope="session")
def home() -> Iterator[Path]:
    """A directory with a path short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="cairn-") as directory:
        yield Path(directory)


@pytest.fixture(scope="session")
def postgres(home: Path) -> Iterator[EmbeddedPostgres]:
    """A share in the Postgres of all these tests, so that it runs on between them."""
    with EmbeddedPostgres(home / "data", durable=False) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def data_dir(postgres: EmbeddedPostgres, home: Path) -> Path:
    return home / "data"


Serve = Callable[..., Served]


@pytest.fixture
def serve(data_dir: Path, tmp_path: Path) -> Iterator[Serve]:
    """Start a server: `serve("--workers", "2", CAIRN_LOG_FORMAT="json")`."""
    started: list[Served] = []

    def start(
        *arguments: str,
        command: list[str] | None = None,
        pass_fds: Collection[int] = (),
        **env: str,
    ) -> Served:
        if command is None:
            command = cairn("serve", "--data-dir", str(data_dir))
        if "--port" not in arguments and "--listen" not in arguments and "CAIRN_LISTEN" not in env:
            arguments = (*arguments, "--port", "0")
        log = tmp_path / f"log-{len(started)}"
        started.append(Served([*command, *arguments], log, env, pass_fds))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture
def serve_again(serve: Serve) -> Iterator[Serve]:
    """Start one server after the other at one port, which nobody else can have in between."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        descriptor = listening.fileno()
        yield partial(serve, "--listen", f"fd://{descriptor}", pass_fds=[descriptor])


@pytest.fixture(scope="module")
def server(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One that the tests of a module share, and do not stop."""
    command = cairn("serve", "--port", "0", "--data-dir", str(data_dir))
    served = Served(command, tmp_path_factory.mktemp("server") / "log", {})
    yield served
    served.close()


def curl(words: str) -> dict[str, Any]:
    """Run the command that the server proposes, as a person would."""
    if shutil.which("curl") is None:
        pytest.skip("there is no curl here")
    match = re.search(r"^ *try +(curl.*)$", words, re.MULTILINE)
    assert match is not None, words
    done = subprocess.run(
        ["/bin/sh", "-c", match[1]], capture_output=True, text=True, check=True, timeout=PATIENCE
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
