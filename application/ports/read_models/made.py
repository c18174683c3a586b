"""What logs come to, before it is put in."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from application.ports.session.session_row import SessionRow
from domain.session.state import Session


class HistoryRow(NamedTuple):
    """One write to a key that sessions share, as its history has it; None was deleted."""

    scope_id: UUID
    key: str
    position: int
    value: bytes | None
    log: UUID
    sequence: int


class ListRow(NamedTuple):
    """The row of a session that its log comes to.

    Args:
        log: Of the session.
        sequence: Of its last event.
        position: Of that event.
        digest: Of that event.
        at: Of that event.
        row: What lists show.
        state: The folded state, where it is worth going on from it later.
    """

    log: UUID
    sequence: int
    position: int
    digest: bytes
    at: datetime
    row: SessionRow
    state: Session | None


@dataclass(slots=True)
class Made:
    """What some logs come to.

    Args:
        rows: Of sessions.
        history: Of keys that sessions share; also of logs that are not read to their end yet.
        states: Kept states that are not what the log comes to, as they should be.
        unfoldable: Logs of which something was erased or is damaged: what is there of them stays.
        events: How many were read.
    """

    rows: list[ListRow] = field(default_factory=list[ListRow])
    history: list[HistoryRow] = field(default_factory=list[HistoryRow])
    states: list[tuple[UUID, Session]] = field(default_factory=list[tuple[UUID, Session]])
    unfoldable: list[UUID] = field(default_factory=list[UUID])
    events: int = 0
