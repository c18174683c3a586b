"""The page on operations names every setting of the server, and its unit for systemd is one."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from api.settings import Settings
from tests.cli.conftest import PATIENCE, run
from tests.support.docs import ROOT

TEXT = (ROOT / "docs/operations.md").read_text("utf-8")
[UNIT] = re.findall(r"^```ini\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
[COMMAND] = re.findall(r"^ExecStart=(.*)$", UNIT, re.MULTILINE)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_each_setting_is_named(name: str):
    assert f"`CAIRN_{name.upper()}`" in TEXT


def test_the_unit_starts_a_command_that_there_is() -> None:
    _program, *arguments = shlex.split(COMMAND)
    # What it does not know is refused before it helps.
    done = run(*arguments, "--help")

    assert done.returncode == 0, done.stderr
    assert set(re.findall(r"CAIRN_\w+", UNIT)) <= {
        f"CAIRN_{n.upper()}" for n in Settings.model_fields
    }


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "cairn.service"
    unit.write_text(UNIT.replace(COMMAND.split()[0], sys.executable))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, timeout=PATIENCE
    )

    assert (done.returncode, done.stderr) == (0, "")
