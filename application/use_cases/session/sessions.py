"""Sessions: begin one, resume it, go back in it, and delete many at once."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple
from uuid import UUID, uuid5

from application.commands.handler import CommandHandler
from application.commands.request import Caller, Outcome
from application.ports.clock import Clock
from application.use_cases.session.forks import Forks
from domain.errors import CairnError, Invalid, SessionNotFound
from domain.session.commands import (
    CreateSession,
    DeleteSession,
    FirstMessage,
    ResumeSession,
)
from domain.session.content.conversation import rewind_to
from domain.values import JsonObject, Part, Role

_BY_NAME = UUID("6f0f6a1c-6a0e-5b7e-9a39-2f5d0e1c8b44")
"""The namespace of the ids of sessions that their maker has named."""

_AT_ONCE = 20

Sees = Callable[[UUID], Awaitable[bool]]


class WantedMessage(NamedTuple):
    """A message that a session begins with.

    Args:
        role: Who speaks.
        parts: What is said.
        message_id: A new one by default.
        author: The name of who speaks.
        meta: What is said of it.
    """

    role: Role
    parts: tuple[Part, ...]
    message_id: str | None = None
    author: str | None = None
    meta: JsonObject | None = None


class Deletion(NamedTuple):
    """What became of one of many sessions that were to be deleted.

    Args:
        session_id: Which.
        status: Whether it was deleted.
        code: Why not.
    """

    session_id: UUID
    status: Literal["deleted", "already", "not_found", "failed"]
    code: str | None = None


def id_of(app: str, external_id: str) -> UUID:
    """Return the id of the session that has an external id in an app: two makers agree on it.

    Args:
        app: Whose session.
        external_id: What its maker calls it.
    """
    # Neither may have control characters.
    return uuid5(_BY_NAME, f"{app}\n{external_id}")


class Sessions:
    """Asks for sessions.

    Args:
        handler: Handles commands.
        clock: Makes ids, and says whether a session has expired.
        forks: Knows past states.
    """

    def __init__(self, handler: CommandHandler, clock: Clock, forks: Forks) -> None:
        self._handler = handler
        self._clock = clock
        self._forks = forks

    async def create(
        self,
        caller: Caller,
        wanted: CreateSession,
        messages: Iterable[WantedMessage] = (),
        *,
        session_id: UUID | None = None,
    ) -> Outcome:
        """Begin a session.

        Args:
            caller: Who asks.
            wanted: What it is to be, less its messages.
            messages: What it begins with.
            session_id: A new one by default; that of its external id if it has one.

        Raises:
            Invalid: It has both an id and an external id.
        """
        if wanted.external_id is not None:
            if session_id is not None:
                raise Invalid("give `id` or `external_id`, not both", field="external_id")
            session_id = id_of(wanted.owner.app, wanted.external_id)
        first = tuple(
            FirstMessage(
                message_id=one.message_id or self._clock.new_name(),
                role=one.role,
                parts=one.parts,
                author=one.author,
                meta=one.meta,
            )
            for one in messages
        )
        request = caller.asks(session_id or self._clock.new_id(), replace(wanted, messages=first))
        key = caller.key_in(caller.keys_of_new_sessions)
        return await self._handler.handle(request._replace(idempotency=key))

    async def resume(self, caller: Caller, session_id: UUID, *, starting: bool = False) -> Outcome:
        """Make a stopped session active again.

        Args:
            caller: Who asks.
            session_id: Which.
            starting: Its agent has yet to come up.
        """
        command = ResumeSession(starting=starting, at=self._clock.now())
        return await self._handler.handle(caller.asks(session_id, command))

    async def rewind(
        self, caller: Caller, session_id: UUID, *, to: int | None, message_id: str | None
    ) -> Outcome:
        """Go back to what was said and known after an earlier event.

        Args:
            caller: Who asks.
            session_id: In which session.
            to: The sequence of the event; None is the end of the entry.
            message_id: The id of an entry of the transcript.

        Raises:
            MessageNotFound: The transcript has no such entry.
            Invalid: Neither is given, or the entry is that of another log.
        """
        # Before anything is looked at: the session may be another one by now.
        replayed = await self._handler.replay(caller.key_in(session_id))
        if replayed is not None:
            return replayed
        to = await self._forks.place_of(session_id, to, message_id)
        if to is None:
            raise Invalid("say which event it goes back to: `to`, or a `message_id`", field="to")
        then = await self._forks.state_at(session_id, to)
        return await self._handler.handle(caller.asks(session_id, rewind_to(to, then)))

    async def delete_many(
        self, caller: Caller, session_ids: Iterable[UUID], sees: Sees
    ) -> Sequence[Deletion]:
        """Delete sessions, each as if it were asked for alone: one that fails stops no other.

        Args:
            caller: Who asks.
            session_ids: Which; each is deleted once.
            sees: Tells whether a session exists for the caller.
        """
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(session_id: UUID) -> Deletion:
            async with gate:
                if not await sees(session_id):
                    return Deletion(session_id, "not_found", SessionNotFound.code)
                return await self._delete(caller, session_id)

        return await asyncio.gather(*map(one, dict.fromkeys(session_ids)))

    async def _delete(self, caller: Caller, session_id: UUID) -> Deletion:
        try:
            outcome = await self._handler.handle(caller.asks(session_id, DeleteSession()))
        except SessionNotFound as error:
            return Deletion(session_id, "not_found", error.code)
        except CairnError as error:
            return Deletion(session_id, "failed", error.code)
        return Deletion(session_id, "deleted" if outcome.changed else "already")
