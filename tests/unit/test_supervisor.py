"""Which workers the supervisor kills: those that give no sign, each by its own deadline."""

import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from api.cli.serving import supervisor
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
    with socket.socket() as listening:
        keeper: Any = Supervisor(
            Settings(worker_silence_seconds=SILENCE), listening, tmp_path, lambda: None
        )
        worker: Any = supervisor._Worker(  # pyright: ignore[reportPrivateUsage]
            process, 0, time.monotonic() - silent_for, is_ready=is_ready
        )
        keeper._workers.append(worker)
        keeper._end_the_silent()
    assert process.killed == killed
