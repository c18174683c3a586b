"""What the reads of a session return."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from application.reads.transcript.entry_json import EntryJson
from domain.session.state import Session


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A session at one sequence.

    Args:
        document: What clients see of the session.
        session: Its state.
        sequence: What it is true at.
        position: That event's position.
        transcript: The JSON of its entries.
        state: Its own keys with the shared ones as they were then.
    """

    document: Mapping[str, Any]
    session: Session
    sequence: int
    position: int
    transcript: EntryJson
    state: Mapping[str, Any]


class TranscriptRead(NamedTuple):
    """A transcript at one sequence.

    Args:
        sequence: The newest one.
        epoch: How often the conversation was cleared or rewound: within one, entries only follow.
        entries: Their JSON.
    """

    sequence: int
    epoch: int
    entries: Sequence[bytes]


class PastSession(NamedTuple):
    """What lists showed of a session after a past event; leases and presence are not of the log.

    Args:
        document: What clients see of the session.
        session: Its state.
        position: Of the event.
        updated_at: When it was, UTC.
    """

    document: Mapping[str, Any]
    session: Session
    position: int
    updated_at: datetime
