"""The example of the guide to hooks is a hook that works, and its table of points is whole."""

import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from application.commands.hooks import POINTS, Hooks
from application.commands.request import Request
from application.errors import HookDenied
from domain.session.commands import StartTurn
from infrastructure.hook_loading import load_hooks
from tests.cli.conftest import environment, run
from tests.support.builders import SESSION_ID, text
from tests.support.docs import ROOT

TEXT = (ROOT / "docs/hooks.md").read_text("utf-8")


def _write_example(folder: Path) -> None:
    example = re.search(r"```python\n# file: my_hooks.py\n(.+?)```", TEXT, re.DOTALL)
    assert example is not None
    (folder / "my_hooks.py").write_text(example[1])


@pytest.mark.anyio
async def test_the_example_denies_and_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    _write_example(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    hooks = Hooks(load_hooks("my_hooks:HOOKS"))

    picture = {"type": "image", "url": "https://example.com/a.png"}

    def asked(words: str) -> Request:
        parts = (picture, *text(words))
        command = StartTurn(turn_id="t1", message_id="m1", parts=parts)
        return Request(SESSION_ID, command, actor="user:ada")

    with pytest.raises(HookDenied, match="do not belong"):
        await hooks.before(asked("my password"))
    changed = (await hooks.before(asked("  hello "))).command
    assert isinstance(changed, StartTurn)
    assert changed.parts == (picture, *text("hello"))


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (None, "No module named 'my_hooks'"),
        ("HOOKS = [", "was never closed"),
        ("1 / 0", "division by zero"),
        ("raise SystemError", "SystemError"),
        ("hooks = []", "has no attribute 'HOOKS'"),
    ],
)
def test_a_hook_that_cannot_be_loaded_is_one_sentence(
    tmp_path: Path, written: str | None, said: str
) -> None:
    if written is not None:
        (tmp_path / "my_hooks.py").write_text(written)
    done = run("serve", "--port", "0", env={"CAIRN_HOOKS": "my_hooks:HOOKS"}, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("cairn: The hook 'my_hooks:HOOKS' cannot be loaded")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_command_of_the_guide_finds_the_hook_beside_it(tmp_path: Path) -> None:
    _write_example(tmp_path)
    code = (
        "from infrastructure.hook_loading import load_hooks as load; print(load('my_hooks:HOOKS'))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "no secrets" in done.stdout


def test_the_table_of_points_is_whole():
    commands: dict[str, int] = defaultdict(int)
    for point in POINTS.values():
        commands[point] += 1

    assert set(re.findall(r"^\| `([\w.]+)` \|", TEXT, re.MULTILINE)) == set(commands)
