"""Which states of a session are kept in the store.

Kept states are further apart the longer the log is: all of them together stay in proportion to it,
and what a cold session folds stays within an eighth of its history.
"""

from domain.session.state import Session

KEPT_EVERY = 500
"""Events between two kept states at least."""


def apart(sequence: int) -> int:
    """Return how many events are between kept states near an event.

    Args:
        sequence: The event.
    """
    return max(KEPT_EVERY, (1 << sequence.bit_length()) // 16)


def is_due(before: Session, after: Session) -> bool:
    """Return whether the state after an append is to be kept.

    Args:
        before: The state before the append.
        after: The state after it.
    """
    step = apart(after.sequence)
    return before.sequence // step != after.sequence // step
