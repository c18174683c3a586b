"""Which events of a session a reader wants, and how they are picked out of its log."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from application.ports.log.codec import Codec
from application.ports.log.events import StoredEvent
from application.ports.log.session_logs import SessionLogs
from application.ports.session.partials import Piece
from application.reads.streams.answering import SWITCHES, Answering, agent_named_by


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events a reader wants; filters never change sequences.

    Args:
        types: Stored names; empty wants all.
        turn: Only events of this turn.
        agent: Only events at which this agent answered.
    """

    types: frozenset[str] = frozenset()
    turn: str | None = None
    agent: str | None = None

    @property
    def by_types_alone(self) -> bool:
        """Whether the log can pick the events out by itself."""
        return self.turn is None and self.agent is None

    @property
    def read_types(self) -> list[str]:
        """The types that are read, to know which agent answers; empty is all."""
        return read_types(self.types, self.agent)


ALL = Filter()


def read_types(types: frozenset[str], agent: str | None) -> list[str]:
    """Return the types that are read to pick events out; empty is all.

    Args:
        types: Those that are wanted; empty wants all.
        agent: Whose events are wanted, if not those of all.
    """
    return sorted(types | SWITCHES if types and agent is not None else types)


class Selecting:
    """Picks the wanted events out of the log of one session, as it goes on.

    Args:
        wanted: Which.
        codec: Reads them.
        agent: Who answers where it begins.
    """

    def __init__(self, wanted: Filter, codec: Codec, agent: str | None = None) -> None:
        self._wanted = wanted
        self._codec = codec
        self._answering = Answering(codec, agent)

    def of(self, events: Sequence[StoredEvent]) -> Sequence[StoredEvent]:
        """Return the wanted ones.

        Args:
            events: The next of the log, of `Filter.read_types` at least.
        """
        wanted = self._wanted
        if wanted.agent is not None:
            events = self._answering.those_of(wanted.agent, events)
        if wanted.types:
            events = [event for event in events if event.type in wanted.types]
        if wanted.turn is not None:
            events = [
                event
                for event in events
                if self._codec.from_json(event.record).get("turn_id") == wanted.turn
            ]
        return events

    def wants(self, turn_id: str | None, piece: Piece) -> bool:
        """Return whether a piece of a message that is being written is wanted."""
        wanted = self._wanted
        return (
            (not wanted.types or piece.key.type in wanted.types)
            and wanted.turn in (None, turn_id)
            and wanted.agent in (None, self._answering.agent)
        )


async def selecting(
    log: SessionLogs, codec: Codec, session_id: UUID, since: int, wanted: Filter
) -> Selecting:
    """Return what picks the wanted events out of a log.

    Args:
        log: Where it is.
        codec: Reads events.
        session_id: Whose log.
        since: The sequence after which it begins.
        wanted: Which events.

    Raises:
        StoreUnavailable: Who answers there cannot be looked up now.
    """
    agent = None
    if wanted.agent is not None and since > 0:
        found = await log.newest_before({session_id: since + 1}, sorted(SWITCHES))
        if session_id in found:
            agent = agent_named_by(found[session_id], codec)
    return Selecting(wanted, codec, agent)
