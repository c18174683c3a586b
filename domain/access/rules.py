"""Which reads are recorded: every one, but the pages of the audit feed are one access."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from domain.access.events import AccessGranted

COVERS = timedelta(minutes=1)
"""How long an access to the audit feed stands for reads that are the same but for the page."""
LONGEST_VALUE = 200
"""The most characters of a value that an event repeats."""


def decide(access: AccessGranted, last: datetime | None, now: datetime) -> list[AccessGranted]:
    """Return what happens because somebody reads.

    Args:
        access: What is read, as `shortened` leaves it.
        last: When the same reader was last recorded with the same access; None for never.
        now: UTC.
    """
    paged = access.to == "audit_events"
    if paged and last is not None and last <= now < last + COVERS:
        return []
    return [access]


def shortened(where: Mapping[str, str]) -> dict[str, str]:
    """Return what was asked for, with long values cut.

    Args:
        where: Parameters of a request.
    """
    return {
        name: value if len(value) <= LONGEST_VALUE else f"{value[:LONGEST_VALUE]}…"
        for name, value in where.items()
    }
