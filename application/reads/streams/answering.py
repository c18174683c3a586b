"""Which agent answers in a session, event by event, for those who read what one agent did."""

from collections.abc import Mapping, Sequence
from typing import Any, cast
from uuid import UUID

from application.ports.log.codec import Codec
from application.ports.log.events import StoredEvent
from application.ports.log.session_logs import SessionLogs

SWITCHES = frozenset({"session.created", "agent.switched"})
"""The types of the events that say who answers from then on."""


def agent_named_by(event: StoredEvent, codec: Codec) -> str | None:
    """Return the name of the agent that answers from an event on; None when it is not known.

    Args:
        event: One of `SWITCHES`; it may be erased.
        codec: Reads it.
    """
    data = cast("Mapping[str, Any]", codec.from_json(event.record).get("data") or {})
    agent = cast("Mapping[str, Any]", data.get("agent") or {})
    return agent.get("name")


_SWITCHES = 500
_REMEMBERED = 10_000
"""Of so many sessions it is known who answers, before it is looked up again."""


class Answering:
    """Follows the log of one session, and knows who answers.

    Args:
        codec: Reads events.
        agent: Who answers before the first event that it is shown.
    """

    def __init__(self, codec: Codec, agent: str | None) -> None:
        self._codec = codec
        self.agent = agent

    def those_of(self, agent: str, events: Sequence[StoredEvent]) -> Sequence[StoredEvent]:
        """Return the events at which an agent answered; one that lets it answer is among them.

        Args:
            agent: Its name.
            events: The next ones, in order; all of them, or at least all `SWITCHES`.
        """
        found: list[StoredEvent] = []
        for event in events:
            if event.type in SWITCHES:
                self.agent = agent_named_by(event, self._codec)
            if self.agent == agent:
                found.append(event)
        return found


class AnsweringIn:
    """Follows the logs of many sessions by position, and knows who answers in each.

    Args:
        log: Where they are.
        codec: Reads events.
    """

    def __init__(self, log: SessionLogs, codec: Codec) -> None:
        self._log = log
        self._codec = codec
        self._agents: dict[UUID, str | None] = {}

    async def those_of(self, agent: str, events: Sequence[StoredEvent]) -> Sequence[StoredEvent]:
        """Return the events at which an agent answered.

        Args:
            agent: Its name.
            events: The next ones by position; of a session that was seen before, all that followed,
                or at least all `SWITCHES`.
        """
        if len(self._agents) > _REMEMBERED:
            self._agents.clear()
        firsts: dict[UUID, int] = {}
        for event in events:
            if event.session_id not in self._agents:
                firsts.setdefault(event.session_id, event.sequence)
        asked = {session_id: first for session_id, first in firsts.items() if first > 1}
        known: Mapping[UUID, StoredEvent] = {}
        if asked:
            known = await self._log.newest_before(asked, sorted(SWITCHES))
        self._agents |= dict.fromkeys(firsts)
        for session_id, before in known.items():
            self._agents[session_id] = agent_named_by(before, self._codec)
        found: list[StoredEvent] = []
        for event in events:
            if event.type in SWITCHES:
                self._agents[event.session_id] = agent_named_by(event, self._codec)
            if self._agents[event.session_id] == agent:
                found.append(event)
        return found


async def newest_of(
    log: SessionLogs,
    codec: Codec,
    session_id: UUID,
    agent: str,
    *,
    last: int,
    upto: int | None,
    most_bytes: int,
) -> Sequence[StoredEvent]:
    """Return the newest events of a session at which an agent answered, in order.

    Of the rest of the log only the events are read that let somebody answer.

    Args:
        log: Where it is.
        codec: Reads events.
        session_id: Whose log.
        agent: The name of the agent.
        last: How many, at most.
        upto: The newest event that is looked at; None is the head.
        most_bytes: It begins with the event whose record reaches so many bytes in all.
    """
    found: list[StoredEvent] = []
    while switches := await log.read_newest(
        session_id, last=_SWITCHES, upto=upto, types=sorted(SWITCHES)
    ):
        for switch in reversed(switches):
            if agent_named_by(switch, codec) == agent:
                wanted = last - len(found)
                if upto is not None:
                    wanted = min(wanted, upto - switch.sequence + 1)
                part = await log.read_newest(
                    session_id, last=wanted, upto=upto, most_bytes=most_bytes
                )
                part = [event for event in part if event.sequence >= switch.sequence]
                found[:0] = part
                most_bytes -= sum(len(event.record) for event in part)
                if len(found) >= last or most_bytes <= 0:
                    return found
            upto = switch.sequence - 1
    return found
