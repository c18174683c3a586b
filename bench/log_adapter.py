"""The log alone, as the measure `log` uses it: the only file that knows its interface."""

from types import TracebackType
from typing import Self


class LogAdapter:
    """Opens the event log on a fresh database and appends one event at a time.

    To be filled in with `infrastructure.event_log`: `__aenter__` migrates the database and opens
    the log, `append` writes one chained event with its head/list row and idempotency key and
    returns when it is durable, `__aexit__` closes. Nothing else in `bench` needs to change.
    """

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo

    async def __aenter__(self) -> Self:
        raise NotImplementedError("bench/log_adapter.py does not know the event log yet")

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        raise NotImplementedError

    async def append(self, session: str, sequence: int, text: str, idempotency_key: str) -> None:
        """Append event number `sequence` (from 1) to the session; return when it is durable."""
        raise NotImplementedError
