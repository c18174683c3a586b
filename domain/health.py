"""How a session is, and whether it may be woken: its health row, from what is known of it.

    facts of the session ─┬─ badge_for_info ──────────────┬─ canonical_badge → one of eight words
                          └─ health_row ─ mark_stale ─ badge_for_health ─┘

The badges are in `domain/badges.py`. Nothing here is stored, so nothing of it can be outdated.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal

HealthState = Literal["idle", "prompting", "stopped", "detached"]
Health = Literal["healthy", "degraded", "stale", "dead", "unknown"]
Ineligibility = Literal[
    "",
    "session_prompt_active",
    "session_not_attachable",
    "session_unhealthy",
    "session_health_stale",
    "session_health_hung",
    "session_health_dead",
    "session_health_unknown",
]

STALE_AFTER = timedelta(minutes=2)
"""An idle session that nobody has vouched for in this time is stale."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthRow:
    """How a session is now; without an ineligibility reason it may be woken."""

    state: HealthState
    health: Health
    active_prompt: bool
    attachable: bool
    ineligibility_reason: Ineligibility

    @property
    def eligible_for_wake(self) -> bool:
        """Whether the session can be given work of its own accord."""
        return not self.ineligibility_reason


def health_row(
    *,
    state: str = "",
    active_prompt: bool = False,
    live: bool = True,
    stalled: bool = False,
    unhealthy: bool = False,
    attachable: bool = False,
) -> HealthRow:
    """Return how a session is, its presence aside.

    Args:
        state: Of the session; empty when there is none.
        active_prompt: A turn runs.
        live: The process of the agent is there.
        stalled: The turn has been silent for too long.
        unhealthy: Whoever runs the agent says that its process is not well.
        attachable: Somebody may take a lease on it.
    """
    found: tuple[HealthState, Health]
    match state:
        case "stopped":
            found = "stopped", "dead"
        case "active" if active_prompt:
            found = "prompting", "healthy"
        case "active":
            found = "idle" if live else "detached", "healthy"
        case _:
            found = "detached", "unknown"
    place: HealthState = found[0]
    health: Health = found[1]
    if health != "dead" and state and (stalled or unhealthy):
        health = "degraded"
    row = HealthRow(
        state=place,
        health=health,
        active_prompt=active_prompt,
        attachable=attachable,
        ineligibility_reason="",
    )
    # Only a stall says that it hangs: else no badge would ever say `unhealthy`.
    ill: Ineligibility = "session_unhealthy" if unhealthy and not stalled else "session_health_hung"
    return replace(row, ineligibility_reason=_ineligibility(row, ill))


def _ineligibility(row: HealthRow, degraded: Ineligibility) -> Ineligibility:
    """Return why a session must not be woken; empty when it may be."""
    match row.health:
        case "stale":
            return "session_health_stale"
        case "dead":
            return "session_health_dead"
        case "unknown":
            return "session_health_unknown"
        case "degraded":
            return degraded
        case "healthy":
            pass
    if row.active_prompt or row.state == "prompting":
        return "session_prompt_active"
    if not row.attachable or row.state == "detached":
        return "session_not_attachable"
    return "" if row.state == "idle" else "session_unhealthy"


def mark_stale(row: HealthRow, age: timedelta | None) -> HealthRow:
    """Return the row, stale if it is of an idle session that nobody vouches for any more.

    Args:
        row: How the session is, its presence aside.
        age: How long ago somebody last said to be there; None when nobody ever did.
    """
    if row.state != "idle" or (age is not None and age <= STALE_AFTER):
        return row
    return replace(row, health="stale", ineligibility_reason="session_health_stale")
