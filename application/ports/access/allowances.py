"""How much each principal has asked for, counted over all processes."""

from typing import Literal, NamedTuple, Protocol
from uuid import UUID

Kind = Literal["requests", "sessions", "bytes"]
"""What is counted within a period: requests, sessions begun, bytes of bodies that write."""


class Granted(NamedTuple):
    """What of an allowance was given out.

    Args:
        amount: How much, from 0 to what was wanted.
        left: What is left of the period for everybody.
        resets_in: Seconds until the next period.
    """

    amount: int
    left: int
    resets_in: float


class Allowances(Protocol):
    """The allowances of all principals."""

    async def take(
        self,
        principal: str,
        kind: Kind,
        wanted: int,
        *,
        most: int,
        period: float,
        least: int = 1,
    ) -> Granted:
        """Give out as much as is left of what was wanted, or nothing.

        Args:
            principal: Whose allowance.
            kind: Of what.
            wanted: At least 1.
            most: What there is in a period.
            period: Its length in seconds; periods begin at multiples of it, by the clock of the
                store.
            least: Less is of no use, so that nothing is given out where less is left.
        """
        ...

    async def open_stream(self, process: UUID, principal: str, most: int) -> bool:
        """Count one more open stream; False when there are as many as there may be.

        Args:
            process: Which serves it.
            principal: Whose.
            most: How many, in all processes that were heard of lately.
        """
        ...

    async def close_stream(self, process: UUID, principal: str) -> None:
        """Count one open stream less."""
        ...

    async def keep_streams(self, process: UUID) -> None:
        """Say that a process is there: the streams of one that is not heard of do not count."""
        ...

    async def sweep(self) -> None:
        """Forget what was counted in periods that are long over."""
        ...
