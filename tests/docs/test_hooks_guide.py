"""The example of the guide to hooks is a hook that works, and its table of points is whole."""

import re
from collections import defaultdict
from pathlib import Path

import pytest

from application.commands.hooks import POINTS, Hooks
from application.commands.request import Request
from application.errors import HookDenied
from domain.session.commands import StartTurn
from infrastructure.hook_loading import load_hooks
from tests.support.builders import SESSION_ID, text
from tests.support.docs import ROOT

TEXT = (ROOT / "docs/hooks.md").read_text("utf-8")


@pytest.mark.anyio
async def test_the_example_denies_and_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    example = re.search(r"```python\n# file: my_hooks.py\n(.+?)```", TEXT, re.DOTALL)
    assert example is not None
    (tmp_path / "my_hooks.py").write_text(example[1])
    monkeypatch.syspath_prepend(tmp_path)
    hooks = Hooks(load_hooks("my_hooks:HOOKS"))

    def asked(words: str) -> Request:
        command = StartTurn(turn_id="t1", message_id="m1", parts=text(words))
        return Request(SESSION_ID, command, actor="user:ada")

    with pytest.raises(HookDenied, match="do not belong"):
        await hooks.before(asked("my password"))
    changed = (await hooks.before(asked("  hello "))).command
    assert isinstance(changed, StartTurn)
    assert changed.parts == text("hello")


def test_the_table_of_points_is_whole():
    commands: dict[str, int] = defaultdict(int)
    for point in POINTS.values():
        commands[point] += 1

    assert set(re.findall(r"^\| `([\w.]+)` \|", TEXT, re.MULTILINE)) == set(commands)
