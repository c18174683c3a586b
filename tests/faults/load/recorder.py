"""What all parts of a run write down, and by which clock."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.faults.history import History, Record


@dataclass
class Recorder:
    """The history of a run that is under way."""

    history: History = field(default_factory=History)
    began: float = field(default_factory=time.monotonic)
    wall: float = field(default_factory=time.time)

    def now(self) -> float:
        """Return the seconds since the run began."""
        return time.monotonic() - self.began

    def add(self, record: Record) -> None:
        """Write something down."""
        self.history.add(record)


def worker_of(headers: Mapping[str, str]) -> int:
    """Return the worker that has given an answer; 0 when it does not say."""
    return int(headers.get("x-cairn-worker", "0"))
