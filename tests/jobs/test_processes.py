"""Two servers over one database share the background jobs, and one takes over from the other."""

import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.processes import Cairn, serving

PATIENCE = 60.0
JOBS = 5
SPREAD = [2, 3]


@pytest.fixture
def pair(database_url: str, tmp_path: Path) -> Iterator[list[Cairn]]:
    with serving(database_url, tmp_path, count=2) as servers:
        try:
            yield servers
        finally:
            for server in servers:
                server.send(signal.SIGCONT)


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "it does not come to be"
        time.sleep(0.05)


def owned(server: Cairn) -> int:
    """How many jobs a process runs."""
    text = httpx.get(f"http://127.0.0.1:{server.port}/metrics", timeout=PATIENCE).text
    return int(sum(map(float, re.findall(r"^cairn_job_owned\{.*?\} (\S+)$", text, re.MULTILINE))))


def test_jobs_are_spread_and_taken_over_from_a_process_that_stands_still(
    pair: list[Cairn],
) -> None:
    until(lambda: sorted(map(owned, pair)) == SPREAD)

    pair[0].send(signal.SIGSTOP)
    until(lambda: owned(pair[1]) == JOBS)
    assert httpx.get(f"http://127.0.0.1:{pair[1].port}/ready", timeout=PATIENCE).status_code == 200

    pair[0].send(signal.SIGCONT)
    until(lambda: sorted(map(owned, pair)) == SPREAD)
