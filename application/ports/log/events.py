"""Events as rows of the log, and which of them a reader wants."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from domain.log.event_names import KNOWN, matches


class StoredEvent(NamedTuple):
    """One row of the log.

    Args:
        session_id: Whose log.
        sequence: 1, 2, 3 ... in that session.
        position: 1, 2, 3 ... over all sessions, visible in this order.
        type: The stored name of the event.
        record: UTF-8 JSON, byte for byte what the digest covers.
        digest: 32 bytes.
    """

    session_id: UUID
    sequence: int
    position: int
    type: str
    record: bytes
    digest: bytes


class NewEvent(NamedTuple):
    """An event on its way into the log; it follows the ones before it in its append."""

    type: str
    record: bytes
    digest: bytes


@dataclass(frozen=True, slots=True)
class JoinedEvents:
    """Events of one session as everybody outside sees them, one on each line.

    Args:
        count: How many.
        size: Bytes of their records.
        lines: Their public form, each with the end of its line.
    """

    count: int
    size: int
    lines: bytes


class Envelope(NamedTuple):
    """What an event says about itself.

    Args:
        id: A new UUIDv7; its text as well.
        at: UTC.
        actor: Who asked, such as `user:ada` or `system`.
        origin: The door it came through, such as `http`, `repair` or `import`.
        turn_id: The turn in which it happened.
        causation: Why: the id of the request or event that led to it.
        idempotency_key: As the client sent it.
        claimed_actor: Who the client said it was, where `actor` is proven by its token.
    """

    id: UUID | str
    at: datetime
    actor: str
    origin: str
    turn_id: str | None = None
    causation: str | None = None
    idempotency_key: str | None = None
    claimed_actor: str | None = None


class FeedPage(NamedTuple):
    """Events of all sessions, and how far the log was looked at, all of one moment.

    Args:
        events: In order of position.
        reached: The position up to which these are all the wanted events.
        head: The newest position.
    """

    events: Sequence[StoredEvent]
    reached: int
    head: int


class SessionPage(NamedTuple):
    """Events of one session, and how far its log was looked at, all of one moment.

    Args:
        events: In order of sequence.
        reached: The sequence up to which these are all the wanted events.
        head: The newest sequence.
        deleted: Whether the session is deleted: nothing will follow the head.
    """

    events: Sequence[StoredEvent]
    reached: int
    head: int
    deleted: bool

    def as_of(self, sequence: int) -> "SessionPage":
        """Return what the page was when an event was the newest.

        Args:
            sequence: Of that event, which is not the head.
        """
        events = [event for event in self.events if event.sequence <= sequence]
        return SessionPage(events, min(self.reached, sequence), sequence, deleted=False)


class OwnedEvent(NamedTuple):
    """An event, and whose session it belongs to; None for a log of another program."""

    stored: StoredEvent
    app: str | None
    user: str | None


class OwnedPage(NamedTuple):
    """Wanted events with their owners, in order of position.

    Args:
        events: The events.
        reached: The position up to which these are all the wanted ones.
    """

    events: Sequence[OwnedEvent]
    reached: int


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events are wanted; all of them by default.

    Args:
        types: Names, or the beginnings of names such as `turn.*`; none are all.
        app: Only of sessions of this app.
        user: Only of sessions of this user.
    """

    types: tuple[str, ...] = ()
    app: str | None = None
    user: str | None = None

    @property
    def exact(self) -> list[str]:
        """The types that are whole names."""
        return [one for one in self.types if not one.endswith("*")]

    @property
    def prefixes(self) -> list[str]:
        """The beginnings of names."""
        return [one[:-1] for one in self.types if one.endswith("*")]

    def takes(self, event: OwnedEvent) -> bool:
        """Return whether an event is one of them."""
        if self.app is not None and event.app != self.app:
            return False
        if self.user is not None and event.user != self.user:
            return False
        return not self.types or any(matches(one, event.stored.type) for one in self.types)


def named_types(patterns: Iterable[str]) -> frozenset[str]:
    """Return the types of events that patterns name.

    Args:
        patterns: Names, or the beginnings of names such as `turn.*`.
    """
    return frozenset(name for name in KNOWN for one in patterns if matches(one, name))
