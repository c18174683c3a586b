"""The past of a session: its events by sequence, asked of the server a part at a time."""

from collections import OrderedDict
from datetime import datetime
from typing import Any, NamedTuple

from api.cli.json_client import JsonClient
from api.cli.options import Failure
from api.cli.screen import printable, summary
from application.ports.session.session_row import NEVER

_PART = 50
"""Events that are asked for together."""
_PARTS = 8
_LONGEST = 400
"""Characters of an event that are kept: more fit in no line of a screen."""


class Shown(NamedTuple):
    """What a screen has room for of an event.

    Args:
        sequence: Of the event.
        at: When it was recorded; `NEVER` when that cannot be read.
        name: Of its type.
        text: What it says, on one line.
    """

    sequence: int
    at: datetime
    name: str
    text: str


class Past:
    """Gives the events of a session in any order, and keeps those around the last ones.

    Args:
        server: Has them.
        session_id: Whose.
    """

    def __init__(self, server: JsonClient, session_id: str) -> None:
        self._server = server
        self._path = f"/v1/sessions/{session_id}"
        self._parts: OrderedDict[int, list[Shown]] = OrderedDict()

    def sequence_at(self, moment: str | None) -> int:
        """Return the sequence at a moment.

        Args:
            moment: A sequence or a time; None is now.

        Raises:
            Failure: There is no such moment, or the server cannot be asked.
        """
        query = {} if moment is None else {"at": moment}
        return int(self._server.ask("GET", self._path, query)["session"]["sequence"])

    def event(self, sequence: int) -> Shown:
        """Return an event that there is.

        Raises:
            Failure: The server cannot be asked, or has it no longer.
        """
        number, place = divmod(sequence - 1, _PART)
        part = self._parts.get(number)
        if part is None or place >= len(part):
            part = self._parts[number] = self._ask(number)
            if len(self._parts) > _PARTS:
                self._parts.popitem(last=False)
        self._parts.move_to_end(number)
        if place >= len(part):
            raise Failure(f"The server has no event {sequence} any more.")
        return part[place]

    def _ask(self, number: int) -> list[Shown]:
        found: list[Shown] = []
        first, end = number * _PART, (number + 1) * _PART
        while first < end:
            # A page of large events ends sooner.
            query = {"since": first, "limit": end - first}
            page = self._server.ask("GET", f"{self._path}/events", query)
            found += map(shown, page["events"])
            if page["up_to_date"]:
                break
            first = page["next"]
        return found


def shown(record: dict[str, Any]) -> Shown:
    """Return what a screen shows of a record of the log.

    Args:
        record: As the server gives it.
    """
    name: str = record["type"]
    data: Any = record.get("data")
    if name == "runtime.event":
        name, data = data["kind"], data["data"]
    text = "(erased)" if record.get("erased") else printable(summary(name, data))
    try:
        at = datetime.fromisoformat(record["at"])
    except (KeyError, TypeError, ValueError):
        at = NEVER
    return Shown(record["sequence"], at, printable(name), text[:_LONGEST])
