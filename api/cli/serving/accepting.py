"""Takes connections from a socket that other workers listen to as well, no more than they have.

Left to itself, the worker that happens to be awake takes all that come together, and keeps them for
as long as clients keep connections: of 16 that came at once one of two workers had all.
"""

import asyncio
import errno
import socket
from collections.abc import Callable, Mapping

from api.cli.serving.connection_counts import Place

_MORE_THAN_OTHERS = 1.25
"""A worker takes connections as long as it has at most so many times as many as each other one."""
_PATIENCE = 0.002
"""Seconds in which a worker that has fewer may take one."""
_WITHOUT_ROOM = 0.1
"""Seconds until it is tried again, when this process or machine has no room for another one."""
_MOST_AT_ONCE = 1024
_NO_ROOM = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class Accepting:
    """Accepts connections while this worker is not ahead of the others.

    It stands where uvicorn has an `asyncio.Server`.

    Args:
        listening: The socket that they share.
        connection: Makes the protocol of a connection, which counts it out of `place` at its end.
        place: Where its connections are counted.
    """

    def __init__(
        self, listening: socket.socket, connection: Callable[[], asyncio.Protocol], place: Place
    ) -> None:
        self._listening = listening
        self._connection = connection
        self._place = place
        self._loop = asyncio.get_running_loop()
        self._beginning: set[asyncio.Task[object]] = set()
        self._waiting: asyncio.TimerHandle | None = None
        self._in_vain = 0
        """How often in succession a connection was left to others and none of them took any."""
        listening.setblocking(False)
        place.enter()
        self._listen()

    def close(self) -> None:
        """Accept no more."""
        self._place.leave()
        if self._waiting is None:
            self._loop.remove_reader(self._listening.fileno())
        else:
            self._waiting.cancel()

    async def wait_closed(self) -> None:
        """Wait until what was accepted has begun."""
        await asyncio.gather(*self._beginning, return_exceptions=True)

    def _listen(self) -> None:
        self._waiting = None
        self._loop.add_reader(self._listening.fileno(), self._take_or_leave)

    def _wait(self, seconds: float, then: Callable[..., None], *arguments: object) -> None:
        self._loop.remove_reader(self._listening.fileno())
        self._waiting = self._loop.call_later(seconds, then, *arguments)

    def _take_or_leave(self) -> None:
        """Take a connection, or leave it for a moment to a worker that has fewer."""
        behind = self._place.taken_by_those_behind(_MORE_THAN_OTHERS)
        if behind:
            self._wait(_PATIENCE, self._take_the_rest, behind)
        else:
            self._take()

    def _take_the_rest(self, behind: Mapping[int, int]) -> None:
        """Take what those who have fewer have left; the more, the longer none of them takes any.

        Args:
            behind: What they had taken.
        """
        self._listen()
        if self._place.has_taken(behind):
            self._in_vain = 0
            return
        most = min(1 << self._in_vain, _MOST_AT_ONCE)
        taken = 0
        while taken < most and self._waiting is None and self._take():
            taken += 1
        self._in_vain = self._in_vain + 1 if taken else 0

    def _take(self) -> bool:
        """Return whether there was a connection."""
        try:
            accepted, _ = self._listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return False
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            self._wait(_WITHOUT_ROOM, self._listen)
            return False
        accepted.setblocking(False)
        self._place.begin()
        task = self._loop.create_task(self._begin(accepted))
        self._beginning.add(task)
        task.add_done_callback(self._beginning.discard)
        return True

    async def _begin(self, accepted: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._connection, accepted)
        except Exception as error:  # noqa: BLE001 - one client's trouble is not that of the others
            # It has no protocol that counts it out.
            self._place.end()
            accepted.close()
            context = {"message": "a connection could not begin", "exception": error}
            self._loop.call_exception_handler(context)
