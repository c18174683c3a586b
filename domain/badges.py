"""The one word for a session, and whether it can be driven, from what is known of it.

All of it is computed when somebody looks. Nothing here is stored, so nothing of it is outdated.
"""

from dataclasses import dataclass
from typing import Literal

from domain.health import HealthRow

Badge = Literal[
    "idle", "running", "waiting-for-auth", "hung", "unhealthy", "stopped", "failed", "unknown"
]

CANCELLATION = "cancellation"
"""The failure kind of a session that was stopped on purpose: it counts as stopped, not failed."""

_NEEDS_AUTH = frozenset({"provider_auth_failure", "permission_failure"})
_NOT_TO_BE_DRIVEN: frozenset[Badge] = frozenset({"hung", "failed", "stopped", "unknown"})
_STATES = {
    "idle": "active",
    "running": "active",
    "waiting": "active",
    "starting": "starting",
    "stopping": "stopping",
    "stopped": "stopped",
    "deleted": "stopped",
    "erased": "stopped",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Info:
    """What is known of a session itself.

    Args:
        state: `starting`, `active`, `stopping` or `stopped`; anything else is unknown.
        failure_kind: Of what it failed with; blank when it did not.
        stall_state: `stalled` when the running turn has been silent for too long.
        turn_id: The running turn.
    """

    state: str = ""
    failure_kind: str = ""
    stall_state: str = ""
    turn_id: str = ""

    @property
    def stalled(self) -> bool:
        """Whether the running turn has been silent for too long."""
        return self.stall_state.strip() == "stalled"

    @property
    def active_prompt(self) -> bool:
        """Whether a turn runs."""
        return bool(self.turn_id.strip())


def state_of(status: str) -> str:
    """Return the state that a session's status stands for; empty when it is none.

    Args:
        status: Such as `idle` or `waiting`, as lists show it.
    """
    return _STATES.get(status, "")


def failure_now(state: str, kind: str) -> str:
    """Return the kind of the failure that a session has now; blank when it has none.

    The failure of an active session comes from an earlier activation. It can still be read, but it
    counts only where it asks for authorisation: another agent may have come since the crash.

    Args:
        state: Of the session.
        kind: What is recorded.
    """
    return "" if state == "active" and kind.strip() not in _NEEDS_AUTH else kind


def canonical_badge(
    *,
    state: str = "",
    failure_kind: str = "",
    health: str = "",
    health_state: str = "",
    ineligibility_reason: str = "",
    pending_auth: bool = False,
    stalled: bool = False,
    active_prompt: bool = False,
) -> Badge:
    """Return the one word for a session, by the first rule that applies; what is empty is missing.

    Args:
        state: Of the session, compared exactly.
        failure_kind: What it failed with; blank space around it does not matter.
        health: Of its health row.
        health_state: Of its health row.
        ineligibility_reason: Of its health row.
        pending_auth: Somebody has to authorise something before it goes on.
        stalled: Its turn has been silent for too long.
        active_prompt: A turn runs.
    """
    failure = failure_kind.strip()
    if state == "stopped" or health_state == "stopped":
        return "failed" if failure and failure != CANCELLATION else "stopped"
    if pending_auth or failure in _NEEDS_AUTH:
        return "waiting-for-auth"
    if stalled or ineligibility_reason == "session_health_hung" or health in ("dead", "stale"):
        return "hung"
    if ineligibility_reason == "session_unhealthy" or health == "degraded":
        return "unhealthy"
    if state in ("starting", "stopping") or active_prompt or health_state == "prompting":
        return "running"
    if state == "active" or health_state in ("idle", "detached"):
        return "idle"
    return "unknown"


def badge_for_info(info: Info | None) -> Badge:
    """Return the badge by what is known of the session itself.

    Args:
        info: None when nothing is known.
    """
    if info is None:
        return "unknown"
    return canonical_badge(
        state=info.state,
        failure_kind=info.failure_kind,
        stalled=info.stalled,
        active_prompt=info.active_prompt,
    )


def badge_for_log(info: Info, *, unhealthy: bool) -> Badge:
    """Return the badge by all that a log says; leases and signs of life aside.

    Args:
        info: The session itself.
        unhealthy: Whoever runs the agent said last that its process is not well.
    """
    badge = badge_for_info(info)
    return "unhealthy" if unhealthy and badge in ("idle", "running") else badge


def badge_for_health(info: Info | None, row: HealthRow) -> Badge:
    """Return the badge by a health row, which has the last word on stalls and prompts.

    Args:
        info: State and failure, when the session is known.
        row: How it is.
    """
    return canonical_badge(
        state=info.state if info else "",
        failure_kind=info.failure_kind if info else "",
        health=row.health,
        health_state=row.state,
        ineligibility_reason=row.ineligibility_reason,
        active_prompt=row.active_prompt,
    )


def drivable(info: Info) -> bool:
    """Return whether somebody may take a lease on a session that nobody else holds.

    Args:
        info: Its lease is not looked at.
    """
    return (
        info.state == "active"
        and badge_for_info(info) not in _NOT_TO_BE_DRIVEN
        and not info.failure_kind.strip()
    )
