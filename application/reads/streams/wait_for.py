"""Waiting for a session to come to something, on the same wake-up as the tails.

Whoever waits costs a future and a timer. When the session moves, the first of them to look reads
its row, and all the others take what was read. Those who come at once look together too.
"""

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, NamedTuple
from uuid import UUID

from application.fan_out import FanOut
from application.ports.session.listing import ListedSession
from application.ports.session.session_rows import RowLookup
from application.reads.health import facts_of
from application.reads.streams.stream_items import Deadline
from application.tasks import take_error
from domain.badges import Badge, state_of
from domain.errors import Erased, SessionNotFound

Condition = Literal["ready", "attached", "stopped"]


class Seen(NamedTuple):
    """A session when it was looked at, and whether it is so."""

    session: ListedSession
    badge: Badge
    met: bool


class _Found(NamedTuple):
    session: ListedSession
    badge: Badge


@dataclass(slots=True)
class _Watch:
    """One session that some wait for."""

    rows: RowLookup
    session_id: UUID
    waiting: int = 0
    _looking: asyncio.Task[_Found] | None = None

    async def together(self) -> _Found:
        """Look, by one read for all who want to meanwhile."""
        if self._looking is None:
            self._looking = asyncio.ensure_future(self._look())
            self._looking.add_done_callback(self._looked)
        # A caller that hangs up must not cancel the read of the others.
        return await asyncio.shield(self._looking)

    async def afresh(self) -> _Found:
        """Look, by one read for all who came before it began: none is told what was before them."""
        if self._looking is not None:
            await asyncio.wait((self._looking,))
        return await self.together()

    def _looked(self, task: asyncio.Task[_Found]) -> None:
        self._looking = None
        take_error(task)  # whoever still waits has it

    async def _look(self) -> _Found:
        session = await self.rows.session(self.session_id)
        if session is None:
            raise SessionNotFound
        return _Found(session, facts_of(session).badge)


class StatusWaits:
    """Lets callers wait for sessions.

    Args:
        rows: What lists show of them.
        fan_out: Who tells that one has moved on.
    """

    def __init__(self, rows: RowLookup, fan_out: FanOut) -> None:
        self._rows = rows
        self._fan_out = fan_out
        self._watched: dict[UUID, _Watch] = {}

    async def until(self, session_id: UUID, aim: Condition, seconds: float) -> Seen:
        """Return the session when it has come to something, or when time is up.

        Args:
            session_id: Which one.
            aim: `ready`, it is active; `attached`, somebody drives it; `stopped`, it has stopped
                or was deleted.
            seconds: How long to wait at most; 0 only looks.

        Raises:
            SessionNotFound: There is none, or it was deleted and will not come to it.
        """

        def met(found: _Found) -> bool:
            if aim != "stopped" or found.session.status == "erased":
                _require_there(found)
            state = state_of(found.session.status)
            if aim == "attached":
                return found.session.lease is not None and state == "active"
            return state == ("active" if aim == "ready" else "stopped")

        return await self._wait(session_id, met, seconds)

    async def changed(
        self, session_id: UUID, seconds: float, known: Callable[[int], bool] | None = None
    ) -> Seen:
        """Return the session when its status or its badge is another one, or when time is up.

        Args:
            session_id: Which one.
            seconds: How long to wait at most; 0 only looks.
            known: Tells whether the caller knows the session as it was at a sequence: one that has
                moved on since is returned at once. None is always.

        Raises:
            SessionNotFound: There is none, or it was deleted, maybe meanwhile.
        """
        first: _Found | None = None

        def met(found: _Found) -> bool:
            nonlocal first
            _require_there(found)
            if first is None:
                first = found
                return known is not None and not known(found.session.sequence)
            return (found.session.status, found.badge) != (first.session.status, first.badge)

        return await self._wait(session_id, met, seconds)

    async def _wait(self, session_id: UUID, met: Callable[[_Found], bool], seconds: float) -> Seen:
        with self._fan_out.follow(session_id) as channel, self._watch(session_id) as watch:
            deadline = Deadline(seconds)
            found = await watch.afresh()
            while not (is_met := met(found)):
                while channel.head <= found.session.sequence:
                    if deadline.is_over or self._fan_out.closing.is_set():
                        return Seen(*found, met=False)
                    await channel.moved.wait(deadline.left())
                if deadline.is_over or self._fan_out.closing.is_set():
                    break
                # One that began too early is simply followed by another.
                found = await watch.together()
            return Seen(*found, met=is_met)

    @contextmanager
    def _watch(self, session_id: UUID) -> Generator[_Watch]:
        watch = self._watched.get(session_id)
        if watch is None:
            watch = self._watched[session_id] = _Watch(self._rows, session_id)
        watch.waiting += 1
        try:
            yield watch
        finally:
            watch.waiting -= 1
            if not watch.waiting:
                del self._watched[session_id]


def _require_there(found: _Found) -> None:
    if found.session.status == "erased":
        raise Erased
    if found.session.status == "deleted":
        raise SessionNotFound("the session was deleted; only its events can still be read")
