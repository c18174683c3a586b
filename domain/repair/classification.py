"""How a session is classified that nobody drives any more: what stopped it, in one word."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from domain.redaction import redacted_failure
from domain.replacing import replace
from domain.values import Failure

StopDetail = Literal[
    "crashed_active", "stop_incomplete", "start_incomplete", "orphaned_process", "stalled_process"
]
STALLED_AFTER = timedelta(seconds=120)
_FALLBACK: dict[str, StopDetail] = {
    "active": "crashed_active",
    "stopping": "stop_incomplete",
    "starting": "start_incomplete",
}
_SUMMARY_BYTES = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class LastSigns:
    """The last that is known of a session.

    Args:
        state: Where it stood.
        failure: What was already known to have failed.
        alive: Its process still runs, though nobody drives the session.
        stalled: It was marked as stalled already.
        last_activity: Of its turn, UTC.
        last_update: Of anything of it, UTC.
        stop_detail: Of a stopped one.
    """

    state: str
    failure: Failure | None = None
    alive: bool = False
    stalled: bool = False
    last_activity: datetime | None = None
    last_update: datetime | None = None
    stop_detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """How the session counts from now on: stopped, and why.

    Args:
        reason: The stop reason.
        detail: What happened, in one word.
        failure: What failed.
        stalled: Its process lives and shows no sign of life.
    """

    reason: Literal["agent_crashed", "error"]
    detail: StopDetail
    failure: Failure
    stalled: bool


def classify(now: datetime, signs: LastSigns) -> Classification | None:
    """Return how a session that nobody drives is classified; None when it needs no word.

    Args:
        now: The time, UTC.
        signs: The last that is known of it.
    """
    state = signs.state.strip()
    fallback = _FALLBACK.get(state)
    if fallback is None:
        return None
    last = signs.last_activity or signs.last_update
    stalled = signs.alive and (signs.stalled or (last is not None and now - last >= STALLED_AFTER))
    detail: StopDetail = fallback
    if signs.alive:
        detail = "stalled_process" if stalled else "orphaned_process"
    starting = state == "starting"
    known = signs.failure or Failure(kind="")
    failure = replace(
        known,
        kind=known.kind or ("startup_failure" if starting else "process_exit"),
        summary=_cut(known.summary) or detail,
    )
    return Classification(
        reason="error" if starting else "agent_crashed",
        detail=detail,
        failure=redacted_failure(failure),
        stalled=stalled,
    )


def annotated(stop_detail: str, error: str) -> str:
    """Return a detail that says that it could not be stored, once for each error.

    Args:
        stop_detail: The detail, perhaps with earlier errors.
        error: Why it was not stored.
    """
    note = f"classification not persisted: {error}"
    if not stop_detail.strip():
        return note
    return stop_detail if note in stop_detail else f"{stop_detail} ({note})"


def _cut(summary: str | None) -> str:
    return (summary or "").encode()[:_SUMMARY_BYTES].decode("utf-8", "ignore")
