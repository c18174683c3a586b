"""Turns that a door was asked to run: followed until they end, or given up when nobody drives them.

The agent runs elsewhere: whoever drives the session hears of the turn and records what it does. Who
follows a turn does not hold it: a client that leaves ends nothing.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from time import monotonic
from typing import Any, Literal, NamedTuple
from uuid import UUID

from application.commands.handler import CommandHandler
from application.commands.request import Caller, Outcome
from application.ports.log.codec import Codec
from application.ports.log.events import StoredEvent
from application.reads.streams.selecting import ALL
from application.reads.streams.stream_items import Closed, Closing, PartialText, Ping
from application.reads.streams.tail import Tails
from domain.errors import CairnError, Unavailable
from domain.session.commands import CancelInput, FailTurn
from domain.values import Failure

NO_DRIVER = "no_driver"
"""The kind of failure of a turn that nobody came to drive."""

_ENDS = ("turn.completed", "turn.failed", "turn.cancelled")
_BY_ITSELF = b'"origin":"supervision"'


class NobodyDrives(Exception):
    """Nobody did anything about a turn in time; it was ended, and nothing is left open."""


class TurnEnd(NamedTuple):
    """How a turn ended, or how the following of it did.

    Args:
        how: With `closed` the server ends the following, and the turn goes on.
        kind: The kind of a failure.
        message: More of it, or why it was cancelled.
        stored: The event that says so.
    """

    how: Literal["completed", "failed", "cancelled", "deleted", "closed"]
    kind: str = ""
    message: str = ""
    stored: StoredEvent | None = None


Followed = StoredEvent | PartialText | Ping | TurnEnd


class DrivenTurn:
    """One turn that was begun, or that waits to begin.

    Args:
        turns: Of the program.
        caller: In whose name it is given up.
        session_id: In which session.
        turn_id: Its id.
        outcome: What became of its beginning.
        is_driven: Whether somebody holds the session.
    """

    def __init__(
        self,
        turns: "DrivenTurns",
        caller: Caller,
        session_id: UUID,
        turn_id: str,
        outcome: Outcome,
        *,
        is_driven: bool,
    ) -> None:
        self.session_id = session_id
        self.turn_id = turn_id
        self.since = outcome.first_sequence - 1
        """The sequence before its beginning."""
        self.is_driven = is_driven
        """Whether anybody works on it."""
        self.has_started = False
        self._turns = turns
        self._caller = caller
        self._own = outcome.sequence

    async def items(self) -> AsyncGenerator[Followed]:
        """Yield what is recorded in the session, pieces of its turn, and at last how it ended.

        Raises:
            NobodyDrives: Nobody does; the turn is ended then.
            Unavailable: Nobody does, and the turn cannot be ended now; recovery ends it.
        """
        deadline = monotonic() + self._turns.patience
        tail = self._turns.tails.stream(self.session_id, self.since, ALL)
        async with aclosing(tail):
            while True:
                try:
                    timeout = None if self.is_driven else max(deadline - monotonic(), 0.0)
                    async with asyncio.timeout(timeout):
                        item = await anext(tail)
                except TimeoutError:
                    await self._give_up()
                    raise NobodyDrives from None
                except StopAsyncIteration:
                    return
                match item:
                    case PartialText():
                        if item.turn_id == self.turn_id:
                            yield item
                    case Ping():
                        yield item
                    case Closed():
                        yield TurnEnd("deleted", message="the session was deleted")
                        return
                    case Closing():
                        yield TurnEnd("closed", message=item.reason)
                        return
                    case list() | tuple():
                        # A reader may be slow: what they were given is not kept here as well.
                        due = deque(item)
                        del item
                        while due:
                            followed = [self._of(due.popleft())]
                            is_end = isinstance(followed[0], TurnEnd)
                            yield followed.pop()
                            if is_end:
                                return
                    case _:
                        pass

    def is_beginning(self, stored: StoredEvent) -> bool:
        """Return whether with an event its agent was given what it is to work on."""
        return stored.type == "turn.started" and self._names(stored)

    def _of(self, stored: StoredEvent) -> StoredEvent | TurnEnd:
        if self.is_beginning(stored):
            self.has_started = True
            return stored
        if stored.sequence > self._own and _BY_ITSELF not in stored.record:
            self.is_driven = True
        if stored.type in _ENDS and self._names(stored):
            return self._ended(stored)
        reason = self._taken_back(stored)
        return stored if reason is None else TurnEnd("cancelled", message=reason, stored=stored)

    def _taken_back(self, stored: StoredEvent) -> str | None:
        """Return why a turn that waited will never begin; None when an event does not say so."""
        if stored.type == "input.cancelled":
            data = self._data(stored)
            return str(data["reason"]) if data["input_id"] == self.turn_id else None
        if stored.type == "inputs.fenced":
            gone = self._data(stored).get("cancelled") or ()
            return "interrupted" if self.turn_id in gone else None
        return None

    def _names(self, stored: StoredEvent) -> bool:
        return self._data(stored).get("turn_id") == self.turn_id

    def _data(self, stored: StoredEvent) -> dict[str, Any]:
        data: dict[str, Any] = self._turns.codec.from_json(stored.record)["data"]
        return data

    def _ended(self, stored: StoredEvent) -> TurnEnd:
        data = self._data(stored)
        match stored.type:
            case "turn.failed":
                failure = data["failure"]
                kind = failure["kind"]
                return TurnEnd("failed", kind, failure.get("summary") or kind, stored)
            case "turn.cancelled":
                return TurnEnd("cancelled", message=data["reason"], stored=stored)
            case _:
                return TurnEnd("completed", stored=stored)

    async def _give_up(self) -> None:
        """End a turn that nobody works in, so that nothing is left open."""
        command = (
            FailTurn(
                turn_id=self.turn_id,
                failure=Failure(kind=NO_DRIVER, summary="nobody drives the session"),
            )
            if self.has_started
            else CancelInput(input_id=self.turn_id, reason=NO_DRIVER)
        )
        try:
            await self._turns.handler.handle(self._caller.asks(self.session_id, command))
        except Unavailable:
            raise
        except CairnError:
            # It was driven or ended in the meantime.
            return


class DrivenTurns:
    """Follows turns that doors were asked to run.

    Args:
        handler: Ends those that nobody drives.
        tails: Reads what is recorded.
        codec: Reads records.
        patience: Seconds that a turn waits for somebody to drive it.
    """

    def __init__(
        self, handler: CommandHandler, tails: Tails, codec: Codec, *, patience: float
    ) -> None:
        self.handler = handler
        self.tails = tails
        self.codec = codec
        self.patience = patience

    def follow(
        self,
        caller: Caller,
        session_id: UUID,
        turn_id: str,
        outcome: Outcome,
        *,
        is_driven: bool,
    ) -> DrivenTurn:
        """Return a turn that was begun, to be followed.

        Args:
            caller: In whose name it is given up.
            session_id: In which session.
            turn_id: Its id.
            outcome: What became of its beginning.
            is_driven: Whether somebody holds the session.
        """
        return DrivenTurn(self, caller, session_id, turn_id, outcome, is_driven=is_driven)
