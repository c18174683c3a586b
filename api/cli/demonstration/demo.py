"""`cairn demo`: a recorded session, a server that is killed in the middle of it, and the proof."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, aclosing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import typer

from api.cli.client import Client
from api.cli.client_options import token_in
from api.cli.demonstration.proof import Examined, examine
from api.cli.demonstration.recording import Line, read_recording, request_of
from api.cli.options import Failure
from api.cli.reading.stream_items import CaughtUp, Event, Hole, Piece
from api.cli.screen import Screen

_IMPORT_ROOT = Path(__file__).resolve().parents[3]
_START_SECONDS = 60.0
_STOP_SECONDS = 5.0
_CATCH_UP_SECONDS = 10.0
_LONGEST_PAUSE = 2.0


def demo(*, url: str | None, speed: float, data_dir: Path | None, token_file: Path | None) -> None:
    """Play the recording, and say whether the client's copy is the log.

    Args:
        url: A server that runs already; None starts one, kills it in a turn and starts it again.
        speed: How much faster than it happened; 0 does not wait.
        data_dir: Where the started server keeps the data; None throws them away.
        token_file: Holds the bearer token for `url`.

    Raises:
        Failure: It did not work, or something is missing.
    """
    lines = read_recording()
    try:
        with tempfile.TemporaryDirectory(prefix="cairn-demo-") as temporary:
            home = data_dir or Path(temporary) / "data"
            server = None if url is not None else _Server(home, Path(temporary) / "log")
            asyncio.run(_Demo(lines, speed, Screen(), server).run(url, token_in(token_file)))
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)


class _Server:
    """A server of our own, in a process group of its own.

    Args:
        data_dir: Where it keeps the data.
        log: Where its standard error goes.
    """

    def __init__(self, data_dir: Path, log: Path) -> None:
        self._data_dir = data_dir
        self._log = log
        self._process: asyncio.subprocess.Process | None = None
        self.url = ""

    async def start(self) -> None:
        """Start it, on the same port as before, and wait until it is ready.

        Raises:
            Failure: It does not start.
        """
        port = self.url.rpartition(":")[2] or "0"
        command = [sys.executable, "-P", "-m", "api", "--port", port]
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                "--data-dir",
                str(self._data_dir),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env=_own_environment(),
                start_new_session=True,
            )
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        words = b""
        with suppress(TimeoutError):
            words = await asyncio.wait_for(self._process.stdout.readline(), _START_SECONDS)
        if b"http://" not in words:
            said = self._log.read_text("utf-8", errors="replace").strip()
            raise Failure(f"The server of the demo does not start: {said.removeprefix('cairn: ')}")
        self.url = words.split()[-1].decode()

    async def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()

    async def stop(self) -> None:
        """Ask it to end."""
        if self._process is None or self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), _STOP_SECONDS)
        except TimeoutError:
            await self.kill()


def _own_environment() -> dict[str, str]:
    """Return an environment in which the demo cannot get at anybody's real data."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name != "DATABASE_URL" and (not name.startswith("CAIRN_") or name == "CAIRN_PG_BIN")
    }
    paths = [str(_IMPORT_ROOT), os.environ.get("PYTHONPATH", "")]
    return environment | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


@dataclass(slots=True)
class _Copy:
    """What the client has, and all it knows of the server."""

    records: list[bytes] = field(default_factory=list[bytes])
    connections: int = 0
    grown: asyncio.Event = field(default_factory=asyncio.Event)


class _Demo:
    """One run.

    Args:
        lines: The recording.
        speed: How much faster than it happened; 0 does not wait.
        screen: Where it is shown.
        server: What is killed on the way; None kills nothing.
    """

    def __init__(
        self, lines: Sequence[Line], speed: float, screen: Screen, server: _Server | None
    ) -> None:
        self._lines = lines
        self._speed = speed
        self._screen = screen
        self._server = server
        self._session_id = str(uuid4())
        self._copy = _Copy()
        self._head = 0

    async def run(self, url: str | None, token: str | None) -> None:
        """Play, and examine what has come of it.

        Args:
            url: The server, if it is not ours.
            token: Its bearer token.

        Raises:
            Failure: The copy is not the log.
            Refused: The server refuses a command.
        """
        began = time.monotonic()
        async with AsyncExitStack() as stack:
            if self._server is not None:
                stack.push_async_callback(self._server.stop)
                await self._server.start()
                url = self._server.url
            self._screen.say(f"playing a recorded agent into {url}")
            client = await stack.enter_async_context(Client(url or "", token))
            follower = await self._begin(client)
            stack.callback(follower.cancel)
            await self._play(client, follower)
            await self._wait_for_copy(follower)
            log = await client.records(self._session_id)
        self._conclude(examine(self._session_id, self._lines, log, self._copy.records), began)

    async def _begin(self, client: Client) -> asyncio.Task[None]:
        """Create the session, which there must be before it can be followed."""
        await self._do(client, 0)
        return asyncio.create_task(self._follow(client))

    async def _follow(self, client: Client) -> None:
        async with aclosing(client.follow(self._session_id)) as items:
            async for item in items:
                match item:
                    case Event():
                        self._copy.records.append(item.raw)
                        self._screen.event(item.raw)
                        self._copy.grown.set()
                    case Piece():
                        self._screen.piece(item.raw)
                    case CaughtUp():
                        self._copy.connections += 1
                    case _:
                        pass

    async def _play(self, client: Client, follower: asyncio.Task[None]) -> None:
        fatal = self._where_to_kill() if self._server is not None else None
        began, at_start = time.monotonic(), self._lines[0]["t"]
        for number, line in enumerate(self._lines[1:], 1):
            if self._speed:
                due = began + (line["t"] - at_start) / self._speed
                await asyncio.sleep(min(max(due - time.monotonic(), 0.0), _LONGEST_PAUSE))
            if follower.done():
                follower.result()
            if number == fatal:
                before = time.monotonic()
                await self._survive(client, number)
                began += time.monotonic() - before
            else:
                await self._do(client, number)

    def _where_to_kill(self) -> int:
        """Return the line in the middle of the recording that records the call of a tool."""
        calls = [
            number
            for number, line in enumerate(self._lines)
            if line["do"] == "events" and any(e["type"] == "tool.called" for e in line["events"])
        ]
        return calls[len(calls) // 2]

    async def _survive(self, client: Client, number: int) -> None:
        """Kill the server while it works on a command, start it again, and go on."""
        assert self._server is not None  # noqa: S101 - nothing else is killed
        in_flight = asyncio.create_task(self._do(client, number))
        # So that the request is on its way; whether it is written, nobody knows, and need not.
        await asyncio.sleep(0.003)
        await self._server.kill()
        self._screen.say("kill -9: the server is gone, in the middle of a turn")
        before = time.monotonic()
        await self._server.start()
        self._screen.say(f"started again in {time.monotonic() - before:.1f} s, on the same data")
        replayed = await in_flight
        fate = "was in the log: answered again" if replayed else "was not in the log: done now"
        self._screen.say(f"the command that was in flight {fate}, once")

    async def _do(self, client: Client, number: int) -> bool:
        """Send one line, and say whether it had been done already."""
        method, path, body = request_of(self._lines[number], self._session_id)
        if self._lines[number]["do"] == "partial":
            await client.show(path, body)
            return False
        key = f"{self._session_id}-{number}"
        answer = await client.send(method, path, body, key=key)
        self._head = max(self._head, answer.sequence)
        return answer.replayed

    async def _wait_for_copy(self, follower: asyncio.Task[None]) -> None:
        deadline = time.monotonic() + _CATCH_UP_SECONDS
        while len(self._copy.records) < self._head and time.monotonic() < deadline:
            self._copy.grown.clear()
            grown = asyncio.create_task(self._copy.grown.wait())
            await asyncio.wait((grown, follower), timeout=1.0, return_when="FIRST_COMPLETED")
            grown.cancel()
            if follower.done():
                with suppress(Hole):
                    follower.result()
                return

    def _conclude(self, findings: Sequence[Examined], began: float) -> None:
        typer.echo("")
        for finding in findings:
            typer.echo(f"  {'ok ' if finding.holds else 'NOT'}  {finding.words}")
        wrong = sum(not finding.holds for finding in findings)
        killed = "" if self._server is None else "killed once, "
        seconds = time.monotonic() - began
        took = f"{killed}connected {self._copy.connections} times, {seconds:.1f} s"
        if wrong:
            raise Failure(f"The client's copy is not the log ({took}).")
        typer.echo(f"\nThe client's copy is the log: nothing missing, nothing twice ({took}).")
