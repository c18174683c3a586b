"""Which agent answered in a log: the newest events of one, and how much is read to find them."""

import json
from collections.abc import Sequence
from typing import Any, cast
from uuid import UUID

import pytest

from application.ports.log.event_log import EventLog
from application.ports.log.events import StoredEvent
from application.reads.streams.answering import SWITCHES, newest_of
from infrastructure.records.codec import JsonCodec

SESSION = UUID(int=1)


class _Log:
    """A log of which only the newest events are read; it counts them."""

    def __init__(self, agents: Sequence[str]) -> None:
        self.events: list[StoredEvent] = []
        self.read = 0
        for agent in agents:
            kind = "agent.switched" if self.events else "session.created"
            self._add(kind, {"agent": {"name": agent}})
            for _ in range(9):
                self._add("agent.message", {})

    def _add(self, kind: str, data: dict[str, Any]) -> None:
        number = len(self.events) + 1
        record = json.dumps({"data": data}).encode()
        self.events.append(StoredEvent(SESSION, number, number, kind, record, b""))

    async def read_newest(
        self,
        session_id: UUID,
        *,
        last: int,
        upto: int | None = None,
        most_bytes: int | None = None,
        types: Sequence[str] = (),
    ) -> Sequence[StoredEvent]:
        found: list[StoredEvent] = []
        for event in reversed(self.events[:upto]):
            if len(found) == last or (most_bytes is not None and most_bytes <= 0):
                break
            if not types or event.type in types:
                found.append(event)
                most_bytes = None if most_bytes is None else most_bytes - len(event.record)
        self.read += len(found)
        return found[::-1]


async def _newest(log: _Log, agent: str, last: int, **rest: Any) -> list[int]:
    limits: dict[str, Any] = {"upto": None, "most_bytes": 2**20, **rest}
    found = await newest_of(cast("EventLog", log), JsonCodec(), SESSION, agent, last=last, **limits)
    return [event.sequence for event in found]


@pytest.mark.parametrize("last", [1, 5, 10, 15, 99])
@pytest.mark.parametrize("upto", [None, 3, 20, 35, 40])
async def test_the_newest_events_of_an_agent_are_those_at_which_it_answered(last, upto):
    log = _Log(["ada", "bob", "ada", "cy"])
    of_ada = [*range(1, 11), *range(21, 31)]

    wanted = [one for one in of_ada if upto is None or one <= upto]
    assert await _newest(log, "ada", last, upto=upto) == wanted[-last:]


async def test_the_bytes_that_fill_a_page_end_it():
    log = _Log(["ada", "bob", "ada"])
    size = sum(len(event.record) for event in log.events[20:])

    assert await _newest(log, "ada", 99, most_bytes=size) == [*range(21, 31)]
    assert await _newest(log, "ada", 99, most_bytes=size + 1) == [10, *range(21, 31)]


async def test_only_the_events_that_let_somebody_answer_are_read_of_the_rest():
    log = _Log(["ada", *(["bob", "cy"] * 600)])
    switches = sum(event.type in SWITCHES for event in log.events)

    assert await _newest(log, "ada", 3) == [8, 9, 10]
    assert await _newest(log, "nobody", 3) == []
    assert log.read == 2 * switches + 3
