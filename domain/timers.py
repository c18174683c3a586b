"""How long turns may be silent or run."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Timers:
    """How long a turn may be silent or run; None is for ever.

    Args:
        progress: Seconds between notes that the turn still runs.
        warning: Seconds of silence after which the session counts as stalled.
        silence: Seconds of silence after which the turn is given up.
        turn: Seconds after which the turn is given up whatever it does.
        grace: Seconds that a turn has, once it is asked to end, to do so by itself; 0 is none.
    """

    progress: float | None = 600.0
    warning: float | None = 900.0
    silence: float | None = 1800.0
    turn: float | None = None
    grace: float = 30.0
