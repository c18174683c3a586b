"""The commands that wait for one session, bounded in number, in bytes and in time."""

import asyncio
from collections import deque
from dataclasses import dataclass

from application.commands.request import Outcome, Request
from application.errors import Busy
from application.memory_budget import MEBIBYTE
from application.tasks import take_error


@dataclass(slots=True)
class PendingCommand:
    """A request that waits for its session, and the promise of its outcome.

    Args:
        request: What is asked.
        done: Gets the outcome.
        since: When it began to wait, by the clock of the loop, seconds.
        is_begun: Whether it is about to be stored.
        is_late: Whether it has waited for too long.
    """

    request: Request
    done: asyncio.Future[Outcome]
    since: float = 0.0
    is_begun: bool = False
    is_late: bool = False

    def answer(self, outcome: Outcome) -> None:
        """Give the caller its outcome, if it still waits."""
        if not self.done.done():
            self.done.set_result(outcome)

    def give_up(self) -> None:
        """Tell the caller that it has waited for too long, unless it is about to be stored."""
        self.is_late = True
        if not self.is_begun:
            self.refuse(Busy("the session was busy for too long and stored nothing; try again"))

    def put_back(self) -> None:
        """Have it wait again: nothing of it was stored."""
        self.is_begun = False
        if self.is_late:
            self.give_up()

    def refuse(self, error: BaseException) -> None:
        """Tell the caller why not, if it still waits."""
        if self.done.done():
            return
        if isinstance(error, asyncio.CancelledError):
            self.done.cancel()
        else:
            self.done.set_exception(error)
            # The caller may be on its way out, and then does not look any more.
            take_error(self.done)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLimits:
    """What may wait for one session.

    Args:
        commands: The most that wait.
        bytes: The most bytes of their requests; one may wait however large it is.
        together: The most that are decided and appended together.
        together_bytes: They end with the one whose request reaches so many bytes in all.
        patience: Seconds that one may wait until it is begun.
    """

    commands: int = 1000
    bytes: int = 16 * MEBIBYTE
    together: int = 128
    together_bytes: int = 4 * MEBIBYTE
    patience: float = 5.0


class SessionQueue:
    """What waits for one session while others are served.

    Args:
        limits: How much that may be.
    """

    __slots__ = ("_size", "_waiting", "limits")

    def __init__(self, limits: QueueLimits) -> None:
        self.limits = limits
        self._waiting: deque[PendingCommand] = deque()
        self._size = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, pending: PendingCommand) -> None:
        """Have a command wait.

        Args:
            pending: The command.

        Raises:
            Busy: So much waits already.
        """
        size = pending.request.size
        limits = self.limits
        if self._waiting and (
            len(self._waiting) >= limits.commands or self._size + size > limits.bytes
        ):
            raise Busy
        self._waiting.append(pending)
        self._size += size

    def take(self) -> list[PendingCommand]:
        """Return those that are served together next, in the order in which they came."""
        batch: list[PendingCommand] = []
        size = 0
        while self._waiting and len(batch) < self.limits.together:
            pending = self._waiting.popleft()
            self._size -= pending.request.size
            size += pending.request.size
            batch.append(pending)
            if size >= self.limits.together_bytes:
                break
        return batch


def still_waiting(batch: list[PendingCommand]) -> list[PendingCommand]:
    """Return the commands whose callers have not disconnected, nor heard anything yet.

    Args:
        batch: Commands that have waited.
    """
    return [pending for pending in batch if not pending.done.done()]


def put_back(batch: list[PendingCommand]) -> list[PendingCommand]:
    """Have commands wait again, of which nothing was stored, and return those that still do.

    Args:
        batch: The commands.
    """
    for pending in batch:
        pending.put_back()
    return still_waiting(batch)
