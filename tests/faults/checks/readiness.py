"""`/ready` tells the truth about writes."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence

from tests.faults.checks.violation import Violation
from tests.faults.history import FOR_EVER, Attempt, Fault, History, Ready

NOTICED_WITHIN = 10.0
"""Seconds without an acknowledged append, while some are tried, after which it must be false."""
OVER_WITHIN = 5.0
"""Seconds of acknowledged appends after which it must be true."""

_AT_THE_ENDS = 3.0
"""Seconds: what was tried in the first and in the last of a time was tried throughout."""
_SOON = 3.0
"""Seconds within which appends are acknowledged where `/ready` was the first to know."""
_UNAVAILABLE = frozenset({"store_unavailable", "outcome_unknown"})
_HARMLESS = frozenset(
    {
        "skew clock",
        "stall readers",
        "slow readers",
        "hostile headers",
        "half open",
        "freeze clients",
        "drop clients",
    }
)
"""Faults that give a server no reason to be away."""
_REASONS = frozenset({"stopping"})
"""Why a server may be away whatever its writes do."""


def ready_is_true(history: History) -> Iterator[Violation]:
    """Hold the answers of each worker to `/ready` against its answers to appends."""
    acknowledged: defaultdict[int, list[float]] = defaultdict(list)
    failed: defaultdict[int, list[float]] = defaultdict(list)
    for attempt in history.of(Attempt):
        if attempt.is_accepted:
            acknowledged[attempt.worker].append(attempt.returned)
        elif attempt.code in _UNAVAILABLE:
            failed[attempt.worker].append(attempt.returned)
    for times in (*acknowledged.values(), *failed.values()):
        times.sort()
    faults = [one for one in history.of(Fault) if one.kind not in _HARMLESS and not one.skipped]
    away: defaultdict[int, float] = defaultdict(lambda: -FOR_EVER)
    """When each worker last said that it is not ready."""
    for ready in history.of(Ready):
        good, bad = acknowledged[ready.worker], failed[ready.worker]
        if ready.status == 200:
            since = ready.called - NOTICED_WITHIN
            # It may know that writes are taken again before anybody has tried: then they are.
            is_well = _any(good, since, ready.returned + _SOON)
            # What follows on a fault that is over is another one, and takes a moment to be seen.
            is_new = away[ready.worker] > ready.called - OVER_WITHIN
            if not is_well and not is_new and _throughout(bad, since, ready.called):
                words = f"worker {ready.worker} was ready after {ready.called:.1f} s"
                yield Violation("ready", f"{words}, with no append acknowledged for 10 s")
            continue
        if ready.status == 503:
            away[ready.worker] = ready.returned
        if ready.status == 503 and not _REASONS & set(ready.reasons):
            since = ready.called - OVER_WITHIN
            is_calm = all(one.ended < since or one.began > ready.returned for one in faults)
            is_well = _throughout(good, since, ready.called) and not _any(
                bad, since, ready.returned
            )
            if is_calm and is_well:
                words = f"worker {ready.worker} was not ready after {ready.called:.1f} s"
                why = ", ".join(ready.reasons)
                yield Violation("ready", f"{words} ({why}), with appends acknowledged for 5 s")


def _any(times: Sequence[float], since: float, until: float) -> bool:
    return bisect_left(times, since) < bisect_right(times, until)


def _throughout(times: Sequence[float], since: float, until: float) -> bool:
    at_the_start = _any(times, since, since + _AT_THE_ENDS)
    return at_the_start and _any(times, until - _AT_THE_ENDS, until)
