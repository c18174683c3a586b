"""The wheel: what is in it, and that it runs in an environment of its own."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from api.version import VERSION
from tests.cli.conftest import ROOT

PACKAGES = {"api", "application", "domain", "infrastructure", "migrations"}


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.hunt
@pytest.mark.timeout(900)
def test_the_wheel_runs_by_itself_whatever_lies_beside_it(tmp_path: Path) -> None:
    builder, own, project = tmp_path / "builder", tmp_path / "own", tmp_path / "project"
    for environment in (builder, own):
        run(sys.executable, "-m", "venv", environment, cwd=tmp_path)
    pip = ("-m", "pip", "--disable-pip-version-check")
    made = tmp_path / "made"
    run(builder / "bin/python", *pip, "wheel", "--no-deps", "-w", made, ROOT, cwd=tmp_path)
    (wheel,) = made.iterdir()
    assert wheel.name == f"cairn_sessions-{VERSION}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as whole:
        names = {Path(name).parts[0] for name in whole.namelist()}
    assert names == PACKAGES | {f"cairn_sessions-{VERSION}.dist-info"}

    run(own / "bin/python", *pip, "install", wheel, cwd=tmp_path)
    # What a project in the working directory calls so is its own affair.
    for package in PACKAGES:
        (project / package).mkdir(parents=True)
        (project / package / "__init__.py").write_text("raise ImportError('of the project')")
    for script in ("cairn", "cairn-sessions"):
        assert run(own / "bin" / script, "--version", cwd=project) == f"cairn {VERSION}\n"
        assert "--listen" in run(own / "bin" / script, "serve", "--help", cwd=project)
