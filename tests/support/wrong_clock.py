"""The program on a machine whose clock is wrong, for a process of its own."""

from datetime import datetime, timedelta
from typing import Any

import infrastructure.clock
import infrastructure.postgres.connecting.database_clock as database_clock
from api.main import create_app


def two_days_ahead() -> Any:
    """Return the program where the clock is two days ahead of everybody else's."""
    return _program(timedelta(days=2))


def three_hours_ahead() -> Any:
    """Return the program where the clock is three hours ahead."""
    return _program(timedelta(hours=3))


def three_hours_behind() -> Any:
    """Return the program where the clock is three hours behind."""
    return _program(timedelta(hours=-3))


def _program(ahead: timedelta) -> Any:
    class WrongTime(datetime):
        """`datetime`, as such a machine has it."""

        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + ahead

    for module in (infrastructure.clock, database_clock):
        module.datetime = WrongTime  # type: ignore[attr-defined]
    return create_app()
