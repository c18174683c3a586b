"""The stored reason of a stop, which its cause, its detail or its failure tells.

The words come from AGH, whose clients read them: a limit of the agent is known by its name in the
detail of a stop that a user requested.
"""

from collections.abc import Mapping

from domain.redaction import redacted, redacted_failure
from domain.session.events import (
    SessionStopped,
)
from domain.session.state import Lifecycle, Session
from domain.values import (
    Failure,
    StopCause,
    StopReason,
)

REASONS: Mapping[StopCause, StopReason] = {
    "completed": "completed",
    "failed": "error",
    "user_requested": "user_canceled",
    "shutdown": "shutdown",
    "hook_denied": "hook_stopped",
    "process_exited": "agent_crashed",
    "timeout": "timeout",
    "clear_conversation": "completed",
}
"""The stored reason for each cause of a stop, unless its detail or failure says more."""

_FAILURES: Mapping[StopCause, str] = {
    "failed": "unknown_failure",
    "user_requested": "cancellation",
    "hook_denied": "permission_failure",
    "timeout": "timeout",
}
_DETAILS: Mapping[StopCause, str] = {
    "shutdown": "server shutdown",
    "timeout": "activity_timeout",
    "clear_conversation": "conversation cleared",
}
_LIMITS_IN_A_DETAIL: tuple[StopReason, ...] = (
    "max_iterations",
    "loop_detected",
    "budget_exceeded",
)
_START_FAILURES: Mapping[str, StopReason] = {
    "cancellation": "user_canceled",
    "timeout": "timeout",
    "process_exit": "agent_crashed",
}


def reason_of_failed_start(failure: Failure) -> StopReason:
    """Return why a session stops whose agent did not come up.

    Args:
        failure: What kept it from coming up.
    """
    return _START_FAILURES.get(failure.kind, "error")


def stopped(
    session: Session, cause: StopCause, detail: str | None = None, failure: Failure | None = None
) -> SessionStopped:
    """Return the end of the activation, with its reason.

    Args:
        session: The state before it. The first cause of a session that is stopping stands.
        cause: Who or what ends it.
        detail: In words; secrets are taken out.
        failure: What broke; secrets are taken out.
    """
    cause, detail, failure = _with_the_first_cause(session.lifecycle, cause, detail, failure)
    reason: StopReason = REASONS[cause]
    detail = redacted(detail) or _DETAILS.get(cause)
    failure = None if failure is None else redacted_failure(failure)
    if cause == "user_requested" and detail is not None:
        for limit in reversed(_LIMITS_IN_A_DETAIL):
            reason = limit if limit in detail.lower() else reason
    if cause == "process_exited":
        detail = detail or (failure and failure.summary) or "process exited unexpectedly"
        if failure is None and session.turns.running is not None:
            # A clean exit in mid-turn is a crash all the same.
            failure = Failure(kind="process_exit", summary="the process exited during a turn")
        elif failure is None:
            reason = "error"
    if cause == "completed":
        detail = None
    if failure is None and cause in _FAILURES:
        failure = Failure(kind=_FAILURES[cause])
    return SessionStopped(cause=cause, reason=reason, detail=detail, failure=failure)


def _with_the_first_cause(
    lifecycle: Lifecycle, cause: StopCause, detail: str | None, failure: Failure | None
) -> tuple[StopCause, str | None, Failure | None]:
    if lifecycle.phase != "stopping" or lifecycle.stop_cause is None:
        return cause, detail, failure
    same = cause == lifecycle.stop_cause
    # How a process ended is told beside the cause, whoever wanted the session to stop.
    told = failure if same or cause == "process_exited" else None
    return (
        lifecycle.stop_cause,
        (detail if same else None) or lifecycle.stop_detail,
        told or lifecycle.failure,
    )
