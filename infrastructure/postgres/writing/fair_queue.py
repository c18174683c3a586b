"""Appends that wait for a batch: first in, first out within an app, and the apps take turns.

One app that sends more than can be written waits behind itself and not in front of the others.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator

from infrastructure.postgres.writing.commit_judge import PendingAppend


class FairQueue:
    """Holds appends until they are taken into a batch."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[PendingAppend]] = {}
        self._sizes: dict[str, int] = {}
        self._turns: deque[str] = deque()

    def __bool__(self) -> bool:
        return bool(self._turns)

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def __iter__(self) -> Iterator[PendingAppend]:
        for queue in self._waiting.values():
            yield from queue

    def add(self, append: PendingAppend) -> bool:
        """Let an append wait behind the others of its app, and return whether it is the first."""
        is_first = not self._turns
        self._queue_of(append).append(append)
        return is_first

    def take(self) -> PendingAppend:
        """Return the oldest append of the app whose turn it is.

        Raises:
            IndexError: None waits.
        """
        app = self._turns.popleft()
        found = self._waiting[app].popleft()
        self._sizes[app] -= found.size
        if self._waiting[app]:
            self._turns.append(app)
        else:
            del self._waiting[app], self._sizes[app]
        return found

    def give_back(self, appends: Iterable[PendingAppend]) -> None:
        """Put appends back to where they were taken from.

        Args:
            appends: In the order in which they were taken.
        """
        for append in reversed(list(appends)):
            self._queue_of(append).appendleft(append)

    def leave_out(self, unwanted: Callable[[PendingAppend], bool]) -> list[PendingAppend]:
        """Remove appends, and return them.

        Args:
            unwanted: Says of each whether it goes.
        """
        gone = [one for one in self if unwanted(one)]
        if gone:
            kept = [one for one in self if not unwanted(one)]
            self._waiting, self._sizes, self._turns = {}, {}, deque()
            for one in kept:
                self.add(one)
        return gone

    def give_way(self, app: str, size: int) -> PendingAppend | None:
        """Remove and return the newest append of the app with the most bytes, for another app.

        Args:
            app: Who has come, and will have fewer bytes here even with these.
            size: Bytes of what it asks for.

        Returns:
            None when no app has more than that one would have.
        """
        largest = max(self._sizes, key=self._sizes.__getitem__, default=app)
        if largest == app or self._sizes[largest] <= self._sizes.get(app, 0) + size:
            return None
        newest = self._waiting[largest].pop()
        self._sizes[largest] -= newest.size
        if not self._waiting[largest]:
            del self._waiting[largest], self._sizes[largest]
            self._turns.remove(largest)
        return newest

    def _queue_of(self, append: PendingAppend) -> deque[PendingAppend]:
        app = append.app
        if app not in self._waiting:
            self._waiting[app], self._sizes[app] = deque(), 0
            self._turns.append(app)
        self._sizes[app] += append.size
        return self._waiting[app]
