"""Turns that somebody ends, with those that run in children for them if that is wanted."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from application.commands.handler import CommandHandler
from application.commands.repository import SessionRepository
from application.commands.request import Caller, Outcome
from domain.errors import SessionIsDeleted, SessionIsStopped, SessionNotFound, TurnEnded
from domain.session.commands import CancelTurn, Command, Interrupt
from domain.session.family.children import live_children
from domain.session.state import Session

_ENDED_MEANWHILE = (SessionIsDeleted, SessionIsStopped, SessionNotFound, TurnEnded)


class TurnEndings:
    """Cancels and interrupts turns.

    Args:
        repository: Knows the children, and what they do.
        handler: Handles commands.
    """

    def __init__(self, repository: SessionRepository, handler: CommandHandler) -> None:
        self._repository = repository
        self._handler = handler

    async def cancel(
        self, caller: Caller, session_id: UUID, command: CancelTurn, *, children: bool = False
    ) -> Outcome:
        """End this very turn.

        Args:
            caller: Who asks.
            session_id: In which session.
            command: Which turn, and why.
            children: End those, too, that run in its children, and in theirs.
        """

        def of_child(child: Session) -> CancelTurn | None:
            running = child.turns.running
            if running is None:
                return None
            return CancelTurn(turn_id=running.turn_id, reason=command.reason, hold=command.hold)

        return await self._ask(caller, session_id, command, of_child if children else None)

    async def interrupt(
        self, caller: Caller, session_id: UUID, command: Interrupt, *, children: bool = False
    ) -> Outcome:
        """End the turn that runs, and all that waits behind it.

        Args:
            caller: Who asks.
            session_id: In which session.
            command: Why.
            children: Interrupt its children, and theirs, too.
        """

        def of_child(child: Session) -> Interrupt | None:
            idle = child.turns.running is None and not child.inputs.waiting
            return None if idle else Interrupt(reason=command.reason)

        return await self._ask(caller, session_id, command, of_child if children else None)

    async def _ask(
        self,
        caller: Caller,
        session_id: UUID,
        command: Command,
        of_child: Callable[[Session], Command | None] | None,
    ) -> Outcome:
        outcome = await self._handler.handle(caller.asks(session_id, command))
        told: list[dict[str, Any]] = []
        if of_child is not None:
            # What the caller expects is about the session that is named.
            await self._ask_below(caller._replace(expected=None), session_id, of_child, told)
        return outcome._replace(answer={**outcome.answer, "children": told})

    async def _ask_below(
        self,
        caller: Caller,
        parent_id: UUID,
        of_child: Callable[[Session], Command | None],
        told: list[dict[str, Any]],
    ) -> None:
        parent = (await self._repository.load(parent_id)).session
        for child_id in live_children(parent):
            child = (await self._repository.load(child_id)).session
            command, running = of_child(child), child.turns.running
            if command is not None:
                try:
                    await self._handler.handle(caller.asks(child_id, command))
                except _ENDED_MEANWHILE:
                    running = None
                if running is not None:
                    told.append({"session_id": str(child_id), "turn_id": running.turn_id})
            await self._ask_below(caller, child_id, of_child, told)
