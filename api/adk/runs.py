"""Runs: a turn is begun, and what whoever drives the session records in it is told, until it ends.

The agent runs elsewhere. A client that leaves ends nothing, and whoever comes later reads the same
events from the session.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from time import monotonic, time
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from api.adk.log import Item, Unfolding
from api.adk.requests import Refusal
from api.adk.sessions import now_of
from api.adk.wire import Actions, RunAgent
from api.http.outgoing.responses import from_json, to_json
from api.services import Services
from application.commands.request import Caller, Outcome
from application.ports.events import StoredEvent
from application.reads.stream_items import Closed, Closing, PartialText
from application.reads.tail import ALL
from domain.errors import CairnError
from domain.session.commands import CancelInput, FailTurn
from domain.values import Failure

_ENDS = ("turn.completed", "turn.failed", "turn.cancelled")
_STARTED = "turn.started"
_BY_ITSELF = b'"origin":"supervision"'
_NOBODY = "no_driver"
_DELETED = "session_deleted"
GONE = "SessionNotFoundError"
"""How a run ends whose session is deleted meanwhile, as google-adk names it."""
_DOOR = Caller("system", "adk")


class Ended(NamedTuple):
    """How a run ended.

    Args:
        kind: The name of what went wrong; None when nothing did.
        message: More of it.
    """

    kind: str | None = None
    message: str = ""

    @property
    def text(self) -> str:
        """What went wrong, in one line."""
        return f"{self.kind}: {self.message}"


class Partial(NamedTuple):
    """A piece of what the agent is saying, as an event that is not kept."""

    json: bytes


Told = Item | Partial | Ended


class Run:
    """A run that was begun.

    Args:
        services: Of the program.
        session_id: In which session.
        turn_id: Its turn.
        outcome: What became of its beginning.
        is_driven: Whether somebody holds the session.
        asked: How it is to run.
    """

    def __init__(
        self,
        services: Services,
        session_id: UUID,
        turn_id: str,
        outcome: Outcome,
        *,
        is_driven: bool,
        asked: RunAgent,
    ) -> None:
        self.asked = asked
        self._services = services
        self._session_id = session_id
        self._turn_id = turn_id
        self._since = outcome.first_sequence - 1
        self._own = outcome.sequence
        self._is_driven = is_driven
        self._has_started = False
        self._unfolding = Unfolding(services.store.codec)

    async def told(self) -> AsyncGenerator[Told]:
        """Yield what is recorded in the turn, and at last how it ended.

        Raises:
            Refusal: 503, nobody drives the session; the turn is ended then.
        """
        deadline = monotonic() + self._services.settings.driver_seconds
        tail = self._services.tails.stream(self._session_id, self._since, ALL)
        async with aclosing(tail):
            while True:
                try:
                    timeout = None if self._is_driven else max(deadline - monotonic(), 0.0)
                    async with asyncio.timeout(timeout):
                        item = await anext(tail)
                except TimeoutError:
                    await self._give_up()
                    raise Refusal(
                        503,
                        "Nobody runs the agent of this session: a driver must follow its turns,"
                        " see docs/coming-from-adk.md.",
                    ) from None
                except StopAsyncIteration:
                    return
                match item:
                    case PartialText():
                        if self.asked.streaming and item.turn_id == self._turn_id:
                            yield Partial(self._partial_json(item))
                    case Closed():
                        yield self._gone()
                        return
                    case Closing():
                        yield Ended("StreamClosed", f"{item.reason}; the run goes on")
                        return
                    case list() | tuple():
                        for stored in item:
                            told = self._of(stored)
                            if told is not None:
                                yield told
                            if isinstance(told, Ended):
                                return
                    case _:
                        pass

    def _of(self, stored: StoredEvent) -> Told | None:
        items = self._unfolding.items([stored])
        if stored.type == _STARTED and self._is_of_turn(stored):
            # What the agent was given is known to whoever asked.
            self._has_started = True
            return None
        if stored.sequence > self._own and _BY_ITSELF not in stored.record:
            self._is_driven = True
        if stored.type in _ENDS and self._is_of_turn(stored):
            if stored.type == "turn.cancelled":
                return self._cancelled(_data(stored)["reason"])
            return _ended(stored)
        if stored.type == "input.cancelled" and _data(stored).get("input_id") == self._turn_id:
            return self._cancelled(str(_data(stored).get("reason")))
        if stored.type == "inputs.fenced" and self._turn_id in _data(stored).get("cancelled", ()):
            return Ended("RunCancelled", "interrupted")
        if self._has_started and items and items[0].turn_id == self._turn_id:
            return items[0]
        return None

    def _cancelled(self, reason: str) -> Ended:
        return self._gone() if reason == _DELETED else Ended("RunCancelled", reason)

    def _gone(self) -> Ended:
        return Ended(GONE, f"Session {self.asked.session_id} not found.")

    def _is_of_turn(self, stored: StoredEvent) -> bool:
        return _data(stored).get("turn_id") == self._turn_id

    def _partial_json(self, item: PartialText) -> bytes:
        part: dict[str, Any] = {"text": item.piece.text}
        if item.piece.key.type == "agent.thought":
            part["thought"] = True
        event = {
            "content": {"parts": [part], "role": "model"},
            "partial": True,
            "invocationId": self._turn_id,
            "author": "agent",
            "actions": Actions().model_dump(by_alias=True, exclude_none=True),
            "nodeInfo": {"path": ""},
            "id": item.piece.key.message_id or str(uuid4()),
            "timestamp": now_of(self._services),
        }
        return to_json(event)

    async def _give_up(self) -> None:
        """End a turn that nobody works in, so that nothing is left open."""
        command = (
            FailTurn(
                turn_id=self._turn_id,
                failure=Failure(kind=_NOBODY, summary="nobody drives the session"),
            )
            if self._has_started
            else CancelInput(input_id=self._turn_id, reason=_NOBODY)
        )
        try:
            await self._services.use_cases.do(_DOOR, self._session_id, command)
        except CairnError:
            # Somebody has come after all, or has ended it.
            return


def _data(stored: StoredEvent) -> dict[str, Any]:
    data: dict[str, Any] = from_json(stored.record)["data"]
    return data


def _ended(stored: StoredEvent) -> Ended:
    if stored.type != "turn.failed":
        return Ended()
    failure = _data(stored)["failure"]
    return Ended(failure["kind"], failure.get("summary") or failure["kind"])


def frames_of(told: Told, *, split: bool) -> list[bytes]:
    """Return the events of a stream of google-adk for what a run tells.

    Args:
        told: An event, a piece of one, or the end.
        split: An event with content and artifacts is told as two, as its clients want it.
    """
    if isinstance(told, Ended):
        return [] if told.kind is None else [error_json(told)]
    if not split or isinstance(told, Partial) or b'"artifactDelta":{}' in told.json:
        return [told.json]
    event: dict[str, Any] = from_json(told.json)
    actions: dict[str, Any] = event["actions"]
    content: dict[str, Any] = event.get("content") or {}
    if not actions["artifactDelta"] or not content.get("parts"):
        return [told.json]
    said: dict[str, Any] = {**event, "actions": {**actions, "artifactDelta": {}}}
    kept = {name: value for name, value in event.items() if name != "content"}
    return [to_json(said), to_json(kept)]


def error_json(ended: Ended) -> bytes:
    """Return the last event of a stream of google-adk that ended badly."""
    details = {
        "error_type": ended.kind,
        "error_message": ended.message,
        "timestamp": time(),
    }
    return to_json({"error": ended.text, "error_details": details})
