"""Which workers the supervisor kills: those that give no sign, each by its own deadline."""

import socket
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from api.cli.serving import supervisor
from api.cli.serving.connection_counts import ConnectionCounts, Place
from api.cli.serving.supervisor import Supervisor
from api.settings import Settings

SILENCE = 10.0
STARTING = 300.0


@dataclass
class Process:
    pid: int = 7
    killed: bool = False

    def kill(self) -> None:
        self.killed = True


@pytest.mark.parametrize(
    ("is_ready", "silent_for", "killed"),
    [
        (True, SILENCE - 5, False),
        (True, SILENCE + 5, True),
        (False, SILENCE + 5, False),
        (False, STARTING - 5, False),
        (False, STARTING + 5, True),
    ],
)
def test_a_worker_that_gives_no_sign_is_killed(
    is_ready: bool, silent_for: float, killed: bool, tmp_path: Path
) -> None:
    process: Any = Process()
    settings = Settings(worker_silence_seconds=SILENCE)
    with socket.socket() as listening, closing(ConnectionCounts.make(1)) as counts:
        keeper: Any = Supervisor(settings, listening, tmp_path, counts, lambda: None)
        heard = time.monotonic() - silent_for
        worker: Any = supervisor._Worker(  # pyright: ignore[reportPrivateUsage]
            process, 0, Place(counts, 0), heard, is_ready=is_ready
        )
        keeper._workers.append(worker)
        keeper._end_the_silent()
    assert process.killed == killed
