"""The shell examples of a Markdown file, run one after the other in one shell."""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
ANYTHING = "..."
_BLOCK = re.compile(r"^```sh\n(.*?)^```\n(?:\n```json\n(.*?)^```$)?", re.MULTILINE | re.DOTALL)
_END = "--end of block--"


class Example(NamedTuple):
    """A block of commands, and the JSON that is shown behind it as what they say."""

    commands: str
    shown: str


def examples(name: str) -> list[Example]:
    """Return the examples of a file, in the order in which they stand there."""
    return [Example(*found) for found in _BLOCK.findall((ROOT / name).read_text("utf-8"))]


class Shell:
    """One shell, so that what an example sets is there in the next.

    Args:
        folder: Where the examples write their files.
    """

    def __init__(self, folder: str) -> None:
        self._process = subprocess.Popen(
            ["/bin/sh", "-s"],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, commands: str) -> str:
        """Return what the commands say; fail the test when one of them fails."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"set -e\n{commands}\nprintf '\\n%s\\n' '{_END}'\n")
        self._process.stdin.flush()
        said: list[str] = []
        for line in self._process.stdout:
            if line.strip() == _END:
                return "".join(said)
            said.append(line)
        pytest.fail(f"{commands}\n{''.join(said)}")

    def close(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        with self._process:
            pass


@contextmanager
def shell() -> Iterator[Shell]:
    """Lend a shell that has curl, or skip the test."""
    if shutil.which("curl") is None:
        pytest.skip("there is no curl here")
    with tempfile.TemporaryDirectory() as folder:
        opened = Shell(folder)
        try:
            yield opened
        finally:
            opened.close()


def agrees(shown: Any, said: Any) -> bool:
    """Return whether an answer is as it is shown.

    What is not shown of an object does not matter, and "..." stands for anything: for a value, for
    part of a text, or at the end of an array for the rest of it.
    """
    if shown == ANYTHING:
        return True
    if isinstance(shown, dict) and isinstance(said, dict):
        return all(key in said and agrees(value, said[key]) for key, value in shown.items())
    if isinstance(shown, list) and isinstance(said, list):
        if shown and shown[-1] == ANYTHING:
            shown, said = shown[:-1], said[: len(shown) - 1]
        return len(shown) == len(said) and all(map(agrees, shown, said))
    if isinstance(shown, str) and isinstance(said, str) and ANYTHING in shown:
        return re.fullmatch(".*".join(map(re.escape, shown.split(ANYTHING))), said) is not None
    return bool(shown == said) and type(shown) is type(said)


def last_json(said: str) -> Any:
    """Return the last JSON value of what was said; answers do not end with a new line."""
    decoder, at, last = json.JSONDecoder(), 0, None
    while at < len(said):
        try:
            last, at = decoder.raw_decode(said, at)
        except json.JSONDecodeError:
            at += 1
    assert last is not None, f"no JSON in: {said}"
    return last
