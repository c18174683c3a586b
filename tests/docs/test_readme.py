"""The shell examples of the README work, in the order in which they stand there."""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Serve, Served
from tests.cli.conftest import data_dir as data_dir
from tests.cli.conftest import home as home
from tests.cli.conftest import postgres as postgres
from tests.cli.conftest import serve as serve

ROOT = Path(__file__).parents[2]
URL = "http://127.0.0.1:8080"
_BLOCK = re.compile(r"^<!-- runnable(: restart)? -->\n```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_END = "--end of block--"


class Shell:
    """One shell, so that what a block sets is there in the next."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            ["/bin/sh", "-s"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, block: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"set -e\n{block}\nprintf '\\n%s\\n' '{_END}'\n")
        self._process.stdin.flush()
        said: list[str] = []
        for line in self._process.stdout:
            if line.strip() == _END:
                return "".join(said)
            said.append(line)
        pytest.fail(f"{block}\n{''.join(said)}")

    def close(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        with self._process:
            pass


@pytest.fixture
def shell() -> Iterator[Shell]:
    if shutil.which("curl") is None:
        pytest.skip("there is no curl here")
    opened = Shell()
    yield opened
    opened.close()


def test_the_examples_work(serve: Serve, shell: Shell) -> None:
    server: Served = serve()
    blocks = _BLOCK.findall((ROOT / "README.md").read_text("utf-8"))
    said: list[str] = []
    for restart, block in blocks:
        if restart:
            server.process.kill()
            server.process.wait()
            server = serve("--port", str(server.port))
        assert "localhost" not in block
        said.append(shell.run(block.replace(URL, server.url)))

    created, recorded, page, stream, resumed, snapshot = said
    assert '"title":"Where is my order?"' in created
    assert recorded.count('"first_sequence":3,"sequence":4') == 2
    assert re.findall(r'"sequence":(\d+),"position"', page) == ["3", "4"]
    assert re.findall(r"^id: (\d+)\nevent: (\S+)", stream, re.MULTILINE) == [
        ("1", "session.created"),
        ("2", "turn.started"),
        ("3", "agent.thought"),
        ("4", "tool.called"),
        ("4", "caught-up"),
    ]
    assert re.findall(r"^id: (\d+)\nevent: (\S+)", resumed, re.MULTILINE) == [
        ("5", "tool.returned"),
        ("6", "agent.message"),
        ("7", "turn.completed"),
        ("7", "caught-up"),
    ]
    assert '"sequence":7' in snapshot
    assert '"sessions":[' in snapshot


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_what_is_linked_to_is_there(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    targets = [one for one in re.findall(r"\]\(([^)]+)\)", text) if "://" not in one]

    assert [one for one in targets if not (ROOT / one.partition("#")[0]).is_file()] == []


def test_the_targets_that_are_named_are_there() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for name in ("README.md", "CONTRIBUTING.md"):
        for target in re.findall(r"\bmake ([a-z]+)\b", (ROOT / name).read_text("utf-8")):
            assert f"\n{target}: " in makefile, (name, target)
