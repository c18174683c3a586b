"""What importers of other systems produce: sessions as drafts of events, and what came of each.

An importer reads its source and yields a `ForeignSession` for each conversation it finds. It never
writes: `drafts.py` makes an export file of each, and export files are all that is ever imported.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import NAMESPACE_URL, UUID, uuid5

from domain.session.events import SessionCreated, SessionEvent

_FOREIGN = uuid5(NAMESPACE_URL, "cairn:foreign-sessions")
_MOST_PLACES = 100


def foreign_session_id(source: str, *native: str) -> UUID:
    """Return the id that a session of another system has here, the same one in every run.

    Args:
        source: The kind of source, such as `adk`.
        *native: All that identifies the session there, such as app, user and id.
    """
    return uuid5(_FOREIGN, "".join(f"{len(part)}:{part}" for part in (source, *native)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An event that is to be in the log of an imported session.

    Args:
        event: What happened.
        at: When, as the source says it.
        id: Made of the source's own id of it, which nobody can guess; None has one made of
            everything that the session says up to here, so that it is the same in every run.
        actor: Who did it; None is the actor of the session.
        turn_id: Its turn; None is the one that runs.
        causation: Why, such as the source's own id of it.
    """

    event: SessionEvent
    at: datetime
    id: UUID | None = None
    actor: str | None = None
    turn_id: str | None = None
    causation: str | None = None


class ForkPoint(NamedTuple):
    """After which event of another session of the same run a session goes its own way."""

    session_id: UUID
    sequence: int


class FailedLine(NamedTuple):
    """Something in a source that could not be read: where, such as `line 12`, and why."""

    place: str
    reason: str


@dataclass(slots=True)
class Tally:
    """What an importer found in a session, counted while its drafts are taken.

    Args:
        messages: Of people and agents.
        kept_verbatim: How many of each kind had no place and became a `runtime.event`.
        notes: What else is worth a number, such as `orphan_result` or `duplicate_dropped`.
        failed_lines: How many places could not be read.
        places: The first of them.
        blocked: The codes of what the analyser found in the source and would not let pass.
    """

    messages: int = 0
    kept_verbatim: Counter[str] = field(default_factory=Counter[str])
    notes: Counter[str] = field(default_factory=Counter[str])
    failed_lines: int = 0
    places: list[FailedLine] = field(default_factory=list[FailedLine])
    blocked: list[str] = field(default_factory=list[str])

    def failed(self, place: str, reason: str) -> None:
        """Count something that could not be read.

        Args:
            place: Where.
            reason: One sentence.
        """
        self.failed_lines += 1
        if len(self.places) < _MOST_PLACES:
            self.places.append(FailedLine(place, reason))

    def add(self, other: "Tally") -> None:
        """Add what was found in another session.

        Args:
            other: Of a session of the same kind of source.
        """
        self.messages += other.messages
        self.kept_verbatim.update(other.kept_verbatim)
        self.notes.update(other.notes)
        self.failed_lines += other.failed_lines
        self.places += other.places[: _MOST_PLACES - len(self.places)]
        self.blocked += other.blocked

    def document(self) -> dict[str, Any]:
        """Return it as reports show it."""
        return {
            "messages": self.messages,
            "kept_verbatim": dict(self.kept_verbatim),
            "notes": dict(self.notes),
            "failed_lines": self.failed_lines,
            "places": [place._asdict() for place in self.places],
            "blocked": self.blocked,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignSession:
    """A session of another system.

    Args:
        source: The kind of source, such as `adk`.
        source_id: What the source calls it, for reports.
        session_id: What `foreign_session_id` makes of the source's ids.
        created: Its first event: owner, title, agent, first state; `forked_from` is left out.
        created_at: When.
        drafts: What happened after that, in the order of the source; taken once.
        actor: Who did what no draft names an actor for.
        forked_from: Where it leaves another session, which comes before it in the same run.
        names_turns: Each draft says its turn, or that it is of none; otherwise they are found out.
        tally: What was found; complete when all drafts were taken.
    """

    source: str
    source_id: str
    session_id: UUID
    created: SessionCreated
    created_at: datetime
    drafts: Iterable[Draft]
    actor: str = "system"
    forked_from: ForkPoint | None = None
    names_turns: bool = False
    tally: Tally = field(default_factory=Tally)
