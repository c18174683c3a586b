"""What readers have not taken is counted; when it is too much, the slowest of them makes room."""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any

from litestar.types import Receive, Send

from application.memory_budget import Share
from domain.principal import Principal

_STALLED = 2.0
"""Seconds after which a reader that takes nothing may be cut off when memory is short."""
_LOOK_AGAIN = 0.02


@dataclass(eq=False, slots=True)
class OpenAnswer:
    """An answer that goes on for a while: a stream, a long poll, a download."""

    principal: Principal
    """Whose it is."""
    revoke: Callable[[], None]
    """Ends it, because its reader may not read any longer."""


class Readers:
    """Those who are being answered by one program: what they have not taken, and what goes on.

    Args:
        share: The memory for what they have not taken.
    """

    def __init__(self, share: Share) -> None:
        self.share = share
        self.waiting: set[Giving] = set()
        self.open: set[OpenAnswer] = set()
        self._alarm: asyncio.TimerHandle | None = None

    def require_room(self) -> None:
        """Refuse a new reader while there is no memory for one; make room for the next.

        Raises:
            Overloaded: Others have not taken what they were given.
        """
        self.make_room()
        self.share.take(0)

    def make_room(self) -> None:
        """End the answer whose reader stands still longest if more is held than there is room for.

        Its reader may come again. This looks again soon, for nothing else may happen meanwhile.
        """
        if not self.share.is_over:
            return
        now = monotonic()
        stalled = [one for one in self.waiting if one.can_be_cut(now)]
        if stalled:
            min(stalled, key=lambda one: one.waits_since or now).cut()
        if self.waiting and self._alarm is None:
            self._alarm = asyncio.get_running_loop().call_later(_LOOK_AGAIN, self._look_again)

    def _look_again(self) -> None:
        self._alarm = None
        self.make_room()

    def cut_stalled(self) -> None:
        """End every answer that can be cut and whose reader has not taken what it was given."""
        for one in list(self.waiting):
            one.cut()

    def end_revoked(self, is_good: Callable[[Principal], bool]) -> None:
        """End what goes on for those who would not be let in any more.

        Args:
            is_good: Tells whether somebody would be.
        """
        for answer in list(self.open):
            if not is_good(answer.principal):
                answer.revoke()

    @contextmanager
    def going_on(self, principal: Principal, revoke: Callable[[], None]) -> Generator[None]:
        """Have an answer end with the token of its reader.

        Args:
            principal: Whose answer it is.
            revoke: Ends it; may be called again.
        """
        answer = OpenAnswer(principal, revoke)
        self.open.add(answer)
        try:
            yield
        finally:
            self.open.discard(answer)


class Giving:
    """Gives one reader an answer, part by part.

    Args:
        readers: All who are being answered.
        cut: Ends the answer, where a part of it makes sense to nobody or can be asked for again.
            None is that it goes on however slow its reader is.
    """

    def __init__(self, readers: Readers, cut: Callable[[], None] | None) -> None:
        self._readers = readers
        self._cut = cut
        self.waits_since: float | None = None
        """When the reader was given what it has not taken yet."""

    @contextmanager
    def holding(self, size: int) -> Generator[None]:
        """Count bytes that are held for the reader.

        Args:
            size: How many.
        """
        self._readers.share.count(size)
        try:
            yield
        finally:
            self._readers.share.count(-size)

    async def give(self, body: list[bytes], send: Send) -> None:
        """Send a part, which is not kept here meanwhile, and wait until the reader has taken it.

        Args:
            body: The part, which is taken out of it.
            send: To whom.
        """
        with self.holding(len(body[0])):
            await self.hand_over(body, send)

    async def hand_over(self, parts: list[bytes] | list[memoryview], send: Send) -> None:
        """Send what is counted as a whole, and wait until the reader has taken all of it.

        Args:
            parts: What is sent, the last one first; each is taken out of it.
            send: To whom. It waits by itself until the part before was taken.
        """
        self._readers.waiting.add(self)
        try:
            while parts:
                self.waits_since = monotonic()
                self._readers.make_room()
                await send(part(parts.pop()))
            # Nothing, and so only a wait.
            await send(part(b""))
        finally:
            self.waits_since = None
            self._readers.waiting.discard(self)

    def can_be_cut(self, now: float) -> bool:
        """Return whether its reader has stood still for so long that others go first.

        Args:
            now: Seconds, by the clock that only goes forward.
        """
        since = self.waits_since
        return self._cut is not None and since is not None and now - since > _STALLED

    def cut(self) -> None:
        """End the answer."""
        if self._cut is not None:
            self._cut()


def part(body: bytes | memoryview, *, more: bool = True) -> Any:
    """Return a part of an answer as ASGI sends it."""
    return {"type": "http.response.body", "body": body, "more_body": more}


async def hung_up(receive: Receive) -> None:
    """Return when the reader has left.

    Args:
        receive: Of a request whose body is not wanted any more.
    """
    while (await receive())["type"] != "http.disconnect":
        pass


class Sending:
    """Sends an answer until all is sent, its reader has left, or it is cut."""

    def __init__(self) -> None:
        self._sender: asyncio.Task[None] | None = None

    def cut(self) -> None:
        """End the answer here, if it is being sent."""
        if self._sender is not None:
            self._sender.cancel()

    async def send(self, answer: Coroutine[Any, Any, None], receive: Receive) -> None:
        """Send an answer.

        Args:
            answer: Sends it.
            receive: Of the request.
        """
        sender = asyncio.create_task(answer)
        watcher = asyncio.create_task(hung_up(receive))
        self._sender = sender
        try:
            await asyncio.wait((sender, watcher), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._sender = None
            sender.cancel()
            watcher.cancel()
            await asyncio.wait((sender, watcher))
        try:
            if not sender.cancelled():
                sender.result()
        finally:
            # A task has its error, the error its frames, and this one would have the task.
            del sender, watcher
