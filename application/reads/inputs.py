"""Where inputs that wait stand."""

from typing import Literal, NamedTuple

from domain.session.state import Session
from domain.session.work import Input


class InputStanding(NamedTuple):
    """Where an input that waits stands.

    Args:
        status: Whether it has its own turn, or steers the running one.
        queue_position: 1 is the next one.
        steers: The turn that it steers.
    """

    status: Literal["queued", "staged"]
    queue_position: int
    steers: str | None


def standing_of(session: Session, one: Input) -> InputStanding:
    """Return where an input that waits stands.

    Args:
        session: Where it waits.
        one: The input.
    """
    steers = steers_of(session, one)
    before = sum(other.sequence < one.sequence for other in session.inputs.waiting.values())
    return InputStanding("queued" if steers is None else "staged", 1 + before, steers)


def steers_of(session: Session, one: Input) -> str | None:
    """Return the turn that an input steers; None when it waits for its own.

    Args:
        session: Where it waits.
        one: The input.
    """
    # One that was to steer a turn which has ended is like any other that waits.
    running = session.turns.running
    return one.steers if running is not None and running.turn_id == one.steers else None
