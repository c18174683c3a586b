"""The shell examples of the README work, in the order in which they stand there."""

import re

import pytest

from tests.cli.conftest import Serve, Served
from tests.cli.conftest import data_dir as data_dir
from tests.cli.conftest import home as home
from tests.cli.conftest import postgres as postgres
from tests.cli.conftest import serve as serve
from tests.cli.conftest import serve_again as serve_again
from tests.support.docs import ROOT, shell

URL = "http://127.0.0.1:8080"
_BLOCK = re.compile(r"^<!-- runnable(: restart)? -->\n```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_examples_work(serve_again: Serve) -> None:
    server: Served = serve_again()
    blocks = _BLOCK.findall((ROOT / "README.md").read_text("utf-8"))
    said: list[str] = []
    with shell() as sh:
        for restart, block in blocks:
            if restart:
                server.process.kill()
                server.process.wait()
                server = serve_again()
            assert "localhost" not in block
            said.append(sh.run(block.replace(URL, server.url)))

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
