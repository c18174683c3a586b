"""Waiting for a session to come to something, on the same wake-up as the tails.

Whoever waits costs a future and a timer. When the session moves, the first of them to look reads
its row, and all the others take what was read.
"""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple
from uuid import UUID

from application.health_ports import Lease
from application.live import Hub
from application.ports import ListedSession, Store
from application.reading import Deadline
from domain.errors import SessionNotFound
from domain.health import state_of

Aim = Literal["ready", "attached", "stopped"]


class Seen(NamedTuple):
    """A session when it was looked at, who drove it if that was asked, and whether it is so."""

    session: ListedSession
    lease: Lease | None
    met: bool


_Look = Callable[[], Coroutine[Any, Any, Seen]]


@dataclass(slots=True)
class _Watch:
    """One session that some wait for to come to one thing."""

    look: _Look
    waiting: int = 0
    _looking: asyncio.Task[Seen] | None = None

    async def together(self) -> Seen:
        """Look, by one read for all who want to meanwhile."""
        if self._looking is None:
            self._looking = asyncio.ensure_future(self.look())
            self._looking.add_done_callback(self._looked)
        # Who hangs up must not take the read away from the others.
        return await asyncio.shield(self._looking)

    def _looked(self, task: asyncio.Task[Seen]) -> None:
        self._looking = None
        if not task.cancelled():
            task.exception()  # whoever still waits has it


class Waits:
    """Lets callers wait for sessions.

    Args:
        store: Where they are.
        hub: Who tells that one has moved on.
    """

    def __init__(self, store: Store, hub: Hub) -> None:
        self._store = store
        self._hub = hub
        self._watched: dict[tuple[UUID, Aim], _Watch] = {}

    async def until(self, session_id: UUID, aim: Aim, seconds: float) -> Seen:
        """Return the session when it has come to something, or when time is up.

        Args:
            session_id: Which one.
            aim: `ready`, it is active; `attached`, somebody drives it; `stopped`, it has stopped
                or was deleted.
            seconds: How long to wait at most; 0 only looks.

        Raises:
            SessionNotFound: There is none, or it was deleted and will not come to it.
        """
        with self._hub.follow(session_id) as channel, self._watch(session_id, aim) as watch:
            deadline = Deadline(seconds)
            # What others are just reading may be older than what the caller knows.
            seen = await watch.look()
            while not (seen.met or deadline.is_over or self._hub.closing.is_set()):
                if channel.head > seen.session.sequence:
                    # One that began too early is simply followed by another.
                    seen = await watch.together()
                elif not await channel.bell.wait(deadline.left()):
                    break
            return seen

    @contextmanager
    def _watch(self, session_id: UUID, aim: Aim) -> Generator[_Watch]:
        key = (session_id, aim)
        watch = self._watched.get(key)
        if watch is None:
            watch = self._watched[key] = _Watch(lambda: self._look(session_id, aim))
        watch.waiting += 1
        try:
            yield watch
        finally:
            watch.waiting -= 1
            if not watch.waiting:
                del self._watched[key]

    async def _look(self, session_id: UUID, aim: Aim) -> Seen:
        session = await self._store.read_models.session(session_id)
        if session is None or session.hidden:
            raise SessionNotFound
        if session.status == "deleted" and aim != "stopped":
            raise SessionNotFound("the session was deleted; only its events can still be read")
        state = state_of(session.status)
        if aim != "attached":
            return Seen(session, None, state == ("active" if aim == "ready" else "stopped"))
        lease = (await self._store.leases.of([session_id])).get(session_id)
        return Seen(session, lease, lease is not None and state == "active")
