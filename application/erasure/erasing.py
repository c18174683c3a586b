"""Erasing sessions and users: first the events that say so, then what they say.

    plan → mark what comes from a session → mark it → carry out: keys in force, events, the rest

Once a session is marked nothing is added to it and nothing of it is read. What was marked is
carried out whatever happens: by whoever asked, or by a job when that process is no more.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from time import monotonic
from typing import NamedTuple
from uuid import UUID

from application.commands.handler import CommandHandler
from application.commands.repository import SessionRepository
from application.commands.request import Caller
from application.commands.scope_handler import ScopeHandler
from application.erasure.keys_in_force import KeysInForce
from application.erasure.planning import ErasurePlanner
from application.erasure.plans import ErasurePlan
from application.ports.blobs.blob import BlobOwner
from application.ports.blobs.freeing import BlobFreeing
from application.ports.log.erasures import Erasures, PendingErasure
from application.projections.shared_state import user_scope
from application.reads.event_reader import EventReader
from application.reads.transcript.transcripts import Transcripts
from domain.errors import UnderLegalHold
from domain.scope.rules import EraseScope
from domain.session.commands import EraseSession
from domain.session.events import SessionErased

_AT_ONCE = 500
_BLOBS_AT_ONCE = 8
_PAGE = 200
_ROUNDS = 20
_SOON = 0.2
_LATER = 15.0
BY_ITSELF = Caller("system", "erasure")
"""Who erases what was marked before."""
_A_STEP = 0.092
"""Seconds for each step with the pause behind it: 10,000 events are gone within two seconds."""
_SHORTEST_PAUSE = 0.04
_RESTS = 8
"""How many times as long as a step is the pause behind it at most."""


class ErasureProgress(NamedTuple):
    """How far an erasure has come."""

    sessions: int
    events: int


class Erasing:
    """Erases.

    Args:
        plans: Says what an erasure comes to before it is done.
        erasures: Carries out what was said.
        keys: Settles the keys that erased sessions have given values.
        blobs: What erased sessions named.
        events: Reads what was said.
        repository: Loads the states of sessions.
        handler: Has sessions say that they are erased.
        scope_handler: Writes the keys that sessions share.
        transcripts: Remembers what was said.
        forget_user: Takes away what else is kept of a user of an app, in a door for instance.
    """

    def __init__(
        self,
        plans: ErasurePlanner,
        erasures: Erasures,
        keys: KeysInForce,
        blobs: BlobFreeing,
        events: EventReader,
        repository: SessionRepository,
        handler: CommandHandler,
        scope_handler: ScopeHandler,
        transcripts: Transcripts,
        forget_user: Sequence[Callable[[str, str], Awaitable[None]]] = (),
    ) -> None:
        self.plans = plans
        self._erasures = erasures
        self._keys = keys
        self._blobs = blobs
        self._events = events
        self._repository = repository
        self._handler = handler
        self._scope_handler = scope_handler
        self._transcripts = transcripts
        self._forget_user = forget_user

    async def carry_out(
        self,
        caller: Caller,
        plan: ErasurePlan,
        reason: str,
        asked: UUID | None = None,
        *,
        heads: Mapping[UUID, int] | None = None,
    ) -> AsyncGenerator[ErasureProgress]:
        """Erase what is planned, and tell now and then how far it has come.

        Args:
            caller: Who asks; what is expected is asked of the session that was asked for.
            plan: What is to be erased.
            reason: Why.
            asked: The session that was asked for; None for those of a user.
            heads: The only sequences at which they may be erased; None allows any.

        Raises:
            UnderLegalHold: One of them must be kept; nothing was erased.
            CairnError: A rule refuses it, or it cannot be done now.
        """
        if held := plan.held:
            ids = [str(one.session_id) for one in held[:_PAGE]]
            many = f"{len(held)} of these sessions are" if len(held) > 1 else f"session {ids[0]} is"
            raise UnderLegalHold(f"{many} under a legal hold, so nothing was erased", sessions=ids)
        command = EraseSession(reason=reason, shared_keys=plan.shared_keys)
        for one in plan.sessions:
            if heads is not None:
                caller = caller._replace(expected=frozenset({heads[one.session_id]}))
            is_asked = heads is not None or one.session_id == asked
            await self._mark(caller, one.session_id, command, is_asked=is_asked)
        events = 0
        for number, one in enumerate(plan.sessions, 1):
            async for count in self._carry_out(one.session_id, command):
                events += count
                yield ErasureProgress(number - 1, events)
            yield ErasureProgress(number, events)

    async def _mark(
        self, caller: Caller, session_id: UUID, command: EraseSession, *, is_asked: bool
    ) -> None:
        """Have a session say that it is erased, and whatever was forked from it meanwhile."""
        if not is_asked:
            caller = caller._replace(expected=None, key=None)
        await self._handler.handle(caller.asks(session_id, command))
        self._forget(session_id)
        for _ in range(_ROUNDS):
            # A fork that began while this was decided; from here on none can begin any more.
            forks = await self._erasures.forks_of(session_id)
            if not forks:
                return
            for fork in forks:
                await self._mark(caller, fork.session_id, command, is_asked=False)

    async def erase_scope(self, caller: Caller, app: str, user: str, reason: str) -> int:
        """Erase the keys of a user with their history, and blobs that no session of theirs names.

        Args:
            caller: Who asks.
            app: The app.
            user: The user.
            reason: Why.

        Returns:
            How many events that were.
        """
        command = EraseScope(app=app, user=user, reason=reason)
        await self._scope_handler.erase(caller, command)
        scope_id = user_scope(app, user)
        events = 0
        async for count in self._erase_log(scope_id):
            events += count
        while await self._blobs.forget_unnamed(BlobOwner(app, user), _BLOBS_AT_ONCE):
            pass
        for forget in self._forget_user:
            await forget(app, user)
        return events

    async def _carry_out(self, session_id: UUID, command: EraseSession) -> AsyncGenerator[int]:
        await self._keys.settle(session_id, command.shared_keys)
        async for count in self._erase_log(session_id):
            yield count
        self._forget(session_id)

    async def _erase_log(self, log_id: UUID) -> AsyncGenerator[int]:
        """Erase the events of a log and what stands beside them; yield how many at a time."""
        left = 1
        while left:
            began = monotonic()
            erased, left = await self._erasures.erase_events(log_id, _AT_ONCE)
            # Others append meanwhile: most of the time the database is theirs.
            took = monotonic() - began
            pause = max(_A_STEP - took, _SHORTEST_PAUSE)
            await asyncio.sleep(min(_RESTS * took, pause) if left else 0)
            yield erased
        while await self._blobs.let_go(log_id, _BLOBS_AT_ONCE):
            pass
        await self._erasures.finish(log_id)

    def _forget(self, session_id: UUID) -> None:
        self._repository.forget(session_id)
        self._transcripts.forget(session_id)

    async def round(self) -> float:
        """Carry out what was marked and is not done, and return the seconds until the next look."""
        pending = await self._erasures.pending(_PAGE)
        for one in pending:
            await self._resume(one)
        return _SOON if len(pending) == _PAGE else _LATER

    async def _resume(self, pending: PendingErasure) -> None:
        log_id = pending.log_id
        said = await self._events.at(log_id, pending.upto)
        event = None if said is None else said.event
        if not isinstance(event, SessionErased):
            async for _ in self._erase_log(log_id):
                pass
            return
        command = EraseSession(reason=event.reason, shared_keys=event.shared_keys)
        try:
            for fork in await self._erasures.forks_of(log_id):
                await self._mark(BY_ITSELF, fork.session_id, command, is_asked=False)
        except UnderLegalHold:
            # It reads what was said through this one: both stay until it is released.
            return
        async for _ in self._carry_out(log_id, command):
            pass
