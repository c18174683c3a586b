"""What whoever imports may choose."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """How sessions are placed.

    Args:
        app: Whose sessions they become; None takes what the source says.
        user: The same.
        zone: Of times that name none.
        now: The time of the import, UTC; what is later counts as in the future.
    """

    app: str | None = None
    user: str | None = None
    zone: tzinfo = field(default=UTC)
    now: datetime
