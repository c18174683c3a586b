"""`cairn diff`, and `cairn replay` in a terminal of its own and without one."""

import codecs
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.cli.conftest import PATIENCE, Served, environment, run
from tests.support.forking import Process, cairn, start
from tests.support.in_process import said_by

STEERING = "\x1b[2J two  spaces\u202e\x7f"
EVENTS = 30
HOME, END, LEFT, RIGHT, UP, DOWN = (b"\x1b[" + key for key in (b"H", b"F", b"D", b"C", b"A", b"B"))
ALTERNATE, BACK = "\x1b[?1049h", "\x1b[?1049l"
STATUS = re.compile(r"(plays|end|paused)  ([0-9.]+)x  (\d+)/(\d+)")


def lived(server: Served) -> str:
    session_id = server.session()
    server.say(session_id, "one")
    server.say(session_id, STEERING)
    path = f"{server.url}/v1/sessions/{session_id}"
    httpx.patch(path, json={"title": "Later"}).raise_for_status()
    return session_id


def test_a_diff_is_lines_for_people(server: Served, capsys: pytest.CaptureFixture[str]) -> None:
    session_id = lived(server)

    code, output, errors = said_by(
        capsys, "diff", session_id, "--from", "2", "--to", "4", "--url", server.url
    )

    first, title, message = output.splitlines()
    assert (code, errors) == (0, "")
    assert first == f"session {session_id}: from 2 to 4"
    assert title == '~ title: null -> "Later"'
    assert message.startswith("+ messages ")
    # What steers a terminal is not there; what says something is.
    assert "[2J two  spaces" in message
    assert not {"\x1b", "\u202e", "\x7f"} & set(output)


def test_a_diff_in_json_is_what_the_server_says(
    server: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    session_id = lived(server)

    code, output, _ = said_by(capsys, "diff", session_id, "--json", "--url", server.url)

    assert code == 0
    assert json.loads(output) == httpx.get(f"{server.url}/v1/sessions/{session_id}/diff").json()
    assert json.loads(output)["title"] == {"from": None, "to": "Later"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(("--to", "99"), "(409)"), (("--from", "yesterday"), "(400)"), (("--from", "0"), "(400)")],
)
def test_moments_that_there_are_not_are_told(
    server: Served, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], words: str
) -> None:
    code, output, errors = said_by(
        capsys, "diff", server.session(), *arguments, "--url", server.url
    )

    assert (code, output) == (1, "")
    assert words in errors
    assert errors.count("\n") == 1


class Watched:
    """A replay, and whoever sits before its terminal."""

    def __init__(self, process: Process, master: int) -> None:
        self.process = process
        self._master = master
        self.said = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def frame(self) -> list[str]:
        """The lines of the newest screen that is whole."""
        frames = self.said.split("\x1b[H")[1:]
        whole = next((one for one in reversed(frames) if "\x1b[0m" in one), "")
        return [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line) for line in whole.split("\r\n")]

    def status(self) -> tuple[str, float, int]:
        """What it does, how fast, and where it is."""
        found = STATUS.search(self.frame()[-1])
        return (found[1], float(found[2]), int(found[3])) if found else ("", 0, 0)

    def until(self, holds: Callable[[], bool]) -> None:
        """Look at the screen until it shows something."""
        deadline = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < deadline, self.said[-2000:]
            self._read(0.05)

    def press(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def ends(self) -> int:
        """Its exit status, and all that it said."""
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            assert time.monotonic() < deadline, self.said[-2000:]
            self._read(0.05)
        while self._read(0):
            pass
        return self.process.returncode

    def _read(self, seconds: float) -> bool:
        ready, _, _ = select.select([self._master], [], [], seconds)
        if ready:
            # A terminal gives 4096 bytes at most, which may end within a character.
            self.said += self._decoder.decode(os.read(self._master, 65536))
        return bool(ready)


@contextmanager
def watching(*arguments: str) -> Iterator[Watched]:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 12, 100, 0, 0))
    before = termios.tcgetattr(slave)
    with start(
        cairn("replay", *arguments),
        environment(TERM="xterm"),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        # So that Ctrl-C comes to it from this terminal.
        in_terminal=True,
    ) as process:
        try:
            yield Watched(process, master)
            # The terminal is as it was before.
            assert termios.tcgetattr(slave) == before
        finally:
            process.kill()
            os.close(master)
            os.close(slave)


@pytest.fixture(scope="module")
def told(server: Served) -> str:
    """A session of so many events."""
    session_id = server.session()
    for number in range(2, EVENTS + 1):
        server.say(session_id, f"\x1b[2Jline {number}")
    return session_id


def test_keys_pause_step_seek_and_speed_it_up(server: Served, told: str) -> None:
    with watching(told, "--url", server.url, "--speed", "1000x") as seen:
        seen.until(lambda: seen.status() == ("end", 1000, EVENTS))
        # As many as have room, the newest at the bottom above the status.
        shown = [int(line.split()[0]) for line in seen.frame()[:-1] if line.strip()]
        assert shown == list(range(EVENTS - 10, EVENTS + 1))
        assert "line 30" in seen.frame()[-2]
        for keys, where in (
            (HOME, 1), (RIGHT, 2), (RIGHT, 3), (LEFT, 2), (DOWN, 12), (UP, 2), (END, EVENTS),
            (b"17\r", 17),
        ):  # fmt: skip
            seen.press(keys)
            seen.until(lambda where=where: seen.status()[2] == where)  # type: ignore[misc]
            assert seen.status()[0] == ("end" if where == EVENTS else "paused")
        seen.press(b"--")
        seen.until(lambda: seen.status() == ("paused", 250, 17))
        seen.press(b" ")
        seen.until(lambda: seen.status() == ("end", 250, EVENTS))
        seen.press(b"q")
        assert seen.ends() == 0
        assert seen.said.count(ALTERNATE) == seen.said.count(BACK) == 1
        assert seen.said.rstrip().endswith(BACK)
    # What a message says cannot steer the terminal: the text of it is there alone.
    assert "\x1b[2J" not in seen.said


def test_a_slow_replay_is_paused_and_goes_on(server: Served, told: str) -> None:
    with watching(told, "--url", server.url, "--speed", "0.01", "--at", "3") as seen:
        seen.until(lambda: seen.status()[0] == "plays")
        seen.press(b" ")
        seen.until(lambda: seen.status()[0] == "paused")
        _, _, where = seen.status()
        assert 3 <= where < EVENTS
        seen.press(b" " + b"+" * 20)
        seen.until(lambda: seen.status() == ("end", 1000, EVENTS))
        seen.press(b"\x03")
        assert seen.ends() == 130
        assert seen.said.rstrip().endswith(BACK)


def test_a_replay_that_is_terminated_gives_the_terminal_back(server: Served, told: str) -> None:
    with watching(told, "--url", server.url, "--speed", "1000x") as seen:
        seen.until(lambda: seen.status() == ("end", 1000, EVENTS))
        seen.process.send_signal(signal.SIGTERM)
        assert seen.ends() == 143
        assert seen.said.rstrip().endswith(BACK)


def test_without_a_terminal_it_prints_line_by_line(server: Served, told: str) -> None:
    done = run("replay", told, "--url", server.url, "--speed", "1000", "--at", "28")

    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["28", "29", "30"]
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [(("--speed", "0"), 2, "--speed"), (("--at", "99"), 1, "(409)"), (("--at", "x"), 1, "(400)")],
)
def test_replays_that_make_no_sense_are_told(
    server: Served, told: str, arguments: tuple[str, ...], code: int, words: str
) -> None:
    done = run("replay", told, "--url", server.url, *arguments)

    assert done.returncode == code
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
