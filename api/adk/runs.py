"""Runs: a turn is begun, and what whoever drives the session records in it is told, until it ends.

The agent runs elsewhere. A client that leaves ends nothing, and whoever comes later reads the same
events from the session.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from time import time
from typing import Any, NamedTuple
from uuid import uuid4

from api.adk.log import Item, Unfolding
from api.adk.recording import now_of
from api.adk.requests import Refusal
from api.adk.wire import Actions, RunAgent
from api.http.outgoing.responses import from_json, to_json
from api.services import Services
from application.ports.log.events import StoredEvent
from application.reads.streams.stream_items import PartialText
from application.use_cases.turn.driven_turns import DrivenTurn, NobodyDrives, TurnEnd

_DELETED = "session_deleted"
GONE = "SessionNotFoundError"
"""How a run ends whose session is deleted meanwhile, as google-adk names it."""


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
        turn: Its turn.
        asked: How it is to run.
    """

    def __init__(self, services: Services, turn: DrivenTurn, *, asked: RunAgent) -> None:
        self.asked = asked
        self._services = services
        self._turn = turn
        self._unfolding = Unfolding(services.store.codec)

    async def told(self) -> AsyncGenerator[Told]:
        """Yield what is recorded in the turn, and at last how it ended.

        Raises:
            Refusal: 503, nobody drives the session; the turn is ended then.
        """
        try:
            async with aclosing(self._turn.items()) as followed:
                async for item in followed:
                    match item:
                        case PartialText():
                            if self.asked.streaming:
                                yield Partial(self._partial_json(item))
                        case StoredEvent():
                            told = self._of(item)
                            if told is not None:
                                yield told
                        case TurnEnd():
                            yield self._ended(item)
                        case _:
                            pass
        except NobodyDrives:
            raise Refusal(
                503,
                "Nobody runs the agent of this session: a driver must follow its turns,"
                " see docs/coming-from-adk.md.",
            ) from None

    def _of(self, stored: StoredEvent) -> Item | None:
        items = self._unfolding.items([stored])
        if self._turn.is_beginning(stored):
            # What the agent was given is known to whoever asked.
            return None
        is_its = bool(items) and items[0].turn_id == self._turn.turn_id
        return items[0] if is_its and self._turn.has_started else None

    def _ended(self, end: TurnEnd) -> Ended:
        match end.how:
            case "completed":
                return Ended()
            case "failed":
                return Ended(end.kind, end.message)
            case "cancelled" if end.message != _DELETED:
                return Ended("RunCancelled", end.message)
            case "closed":
                return Ended("StreamClosed", f"{end.message}; the run goes on")
            case _:
                return Ended(GONE, f"Session {self.asked.session_id} not found.")

    def _partial_json(self, item: PartialText) -> bytes:
        part: dict[str, Any] = {"text": item.piece.text}
        if item.piece.key.type == "agent.thought":
            part["thought"] = True
        event = {
            "content": {"parts": [part], "role": "model"},
            "partial": True,
            "invocationId": self._turn.turn_id,
            "author": "agent",
            "actions": Actions().model_dump(by_alias=True, exclude_none=True),
            "nodeInfo": {"path": ""},
            "id": item.piece.key.message_id or str(uuid4()),
            "timestamp": now_of(self._services),
        }
        return to_json(event)


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
