"""What an erasure comes to before it is done: which sessions, how much, what is in its way."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple
from uuid import UUID

from application.ports.log.erasures import Footprint

Because = Literal["asked", "fork", "child"]
"""Why a session is erased: it was asked for, or it comes from one that is."""

SharedKeys = Literal["kept", "erased"]
"""What becomes of values in force that a session gave to keys it shares."""


class PlannedSession(NamedTuple):
    """A session that is to be erased.

    Args:
        session_id: Which.
        because: Why it is.
        events: How many it has.
        footprint: How much there is of it beside that.
        keys: The keys it shares whose values in force are its own.
        hold: Why it must be kept, when there is a legal hold on it.
    """

    session_id: UUID
    because: Because
    events: int
    footprint: Footprint
    keys: Sequence[str] = ()
    hold: str | None = None

    def document(self) -> dict[str, Any]:
        """Return it as reports show it."""
        return {
            "session_id": str(self.session_id),
            "because": self.because,
            "events": self.events,
            **self.footprint._asdict(),
            "keys_in_force": list(self.keys),
            "legal_hold": self.hold,
        }


@dataclass(slots=True)
class ErasurePlan:
    """What is to be erased.

    Args:
        sessions: What comes from a session stands before it.
        shared_keys: What becomes of values in force.
        user_scope: The scope of the user that is erased as a whole; None when it is not.
    """

    sessions: list[PlannedSession] = field(default_factory=list[PlannedSession])
    shared_keys: Literal["kept", "erased"] = "kept"
    user_scope: UUID | None = None

    @property
    def held(self) -> list[PlannedSession]:
        """Those that a legal hold keeps."""
        return [one for one in self.sessions if one.hold is not None]

    @property
    def events(self) -> int:
        """How many events there are in all."""
        return sum(one.events for one in self.sessions)

    def document(self, *, dry_run: bool, most: int = 10_000) -> dict[str, Any]:
        """Return the report.

        Args:
            dry_run: Nothing was, or is to be, erased.
            most: How many sessions it lists.
        """
        return {
            "dry_run": dry_run,
            "sessions": len(self.sessions),
            "events": self.events,
            "record_bytes": sum(one.footprint.record_bytes for one in self.sessions),
            "blob_bytes": sum(one.footprint.blob_bytes for one in self.sessions),
            "shared_keys": self.shared_keys,
            "user_scope": None if self.user_scope is None else str(self.user_scope),
            "logs": [one.document() for one in self.sessions[:most]],
            "logs_omitted": max(len(self.sessions) - most, 0),
            "held": [str(one.session_id) for one in self.held][:most],
        }
