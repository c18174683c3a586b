"""Keeps each principal to its limits, in all processes together, with few questions to the store.

A process takes a twentieth of the limit of a period at a time, and gives it out by itself. So the
limit is never exceeded, and each process leaves at most a twentieth of it unused.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from math import ceil
from time import monotonic
from uuid import UUID

from application.background import Background
from application.errors import RateLimited, StoreUnavailable
from application.patience import left_of
from application.ports.access.allowances import Allowances, Kind
from domain.principal import Principal

_SHARE = 20
_REMEMBERED = 10_000
_DAY = 86_400.0
PERIODS: dict[Kind, float] = {"requests": 1.0, "sessions": _DAY, "bytes": _DAY}
"""Seconds for which a limit of each kind is."""
STREAMS_AGAIN_IN = 5.0
_TOLD_EVERY = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PrincipalLimits:
    """What each principal may have; None is no limit.

    Args:
        requests: A second.
        streams: Open at a time.
        sessions: Begun a day (UTC).
        bytes: Of bodies that write, a day (UTC).
    """

    requests: int | None = None
    streams: int | None = None
    sessions: int | None = None
    bytes: int | None = None

    def of(self, kind: Kind) -> int | None:
        """Return the limit of a kind.

        Args:
            kind: Which.
        """
        match kind:
            case "requests":
                return self.requests
            case "sessions":
                return self.sessions
            case "bytes":
                return self.bytes


@dataclass(slots=True)
class _Lease:
    """What this process holds of an allowance, until `ends` by its own clock."""

    held: int = 0
    left: int = 0
    ends: float = float("-inf")
    is_spent: bool = False
    taking: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(frozen=True, slots=True)
class RateStatus:
    """How a principal stands: what the headers of an answer say (draft RateLimit header fields).

    Args:
        limit: Requests a second.
        left: Of this second.
        resets_in: Seconds until the next.
        ends: The same by the clock of this process.
    """

    limit: int
    left: int
    resets_in: float
    ends: float


class Limiter:
    """Keeps principals to their limits.

    Args:
        allowances: Count over all processes.
        limits: What each principal may have.
        process: Names this process.
        clock: Seconds that only grow.
        patience: Seconds that a request waits for a store that does not answer.
    """

    def __init__(
        self,
        allowances: Allowances,
        limits: PrincipalLimits,
        process: UUID,
        clock: Callable[[], float] = monotonic,
        patience: float = 5.0,
    ) -> None:
        self._allowances = allowances
        self._limits = limits
        self.limited = frozenset(kind for kind in PERIODS if limits.of(kind) is not None)
        """The kinds that are limited for anybody."""
        self._process = process
        self._clock = clock
        self._patience = patience
        self._leases: OrderedDict[tuple[str, Kind], _Lease] = OrderedDict()
        self._not_told: list[str] = []
        """Principals with streams that have ended, which the store has not been told of yet."""
        self._work = Background(self._tell)

    async def start(self) -> None:
        """Begin to tell that this process is there, where its streams count."""
        if self._limits.streams is not None:
            self._work.start()

    async def stop(self) -> None:
        """End it."""
        await self._work.stop()

    async def spend(self, principal: Principal, kind: Kind, amount: int = 1) -> RateStatus | None:
        """Take some of an allowance.

        Args:
            principal: Whose.
            kind: Of what.
            amount: How much, at least 0.

        Returns:
            How it stands afterwards; None when there is no limit.

        Raises:
            RateLimited: Not so much is left in this period.
            StoreUnavailable: The store does not say how much is left.
        """
        most = self._limits.of(kind)
        if most is None:
            return None
        lease = self._lease(principal.key, kind)
        if not self._gives(lease, amount):
            try:
                # Those who come later do not begin to wait when those before them have given up.
                async with asyncio.timeout(left_of(self._patience)), lease.taking:
                    if not self._gives(lease, amount):
                        await self._take(principal.key, kind, lease, amount, most)
                        if not self._gives(lease, amount):
                            lease.is_spent = lease.held + lease.left == 0
                            raise _limited(kind, most, lease.ends - self._clock())
            except TimeoutError:
                raise StoreUnavailable from None
        resets_in = max(0.0, lease.ends - self._clock())
        return RateStatus(most, lease.held + lease.left, resets_in, lease.ends)

    def give_back(self, principal: Principal, kind: Kind, standing: RateStatus) -> None:
        """Give back one that was taken, and not used after all.

        Args:
            principal: Whose.
            kind: Of what.
            standing: How it stood when it was taken: it is no good in the next period.
        """
        lease = self._leases.get((principal.key, kind))
        if lease is not None and self._clock() < min(lease.ends, standing.ends):
            lease.held += 1
            lease.is_spent = False

    async def open_stream(self, principal: Principal) -> bool:
        """Count one more open stream, and return whether it is counted.

        Args:
            principal: Whose.

        Raises:
            RateLimited: It has as many as it may.
        """
        most = self._limits.streams
        if most is None:
            return False
        if not await self._allowances.open_stream(self._process, principal.key, most):
            raise RateLimited(
                f"Your token has {most} open streams, as many as it may; close one.",
                limit="streams",
                most=most,
                retry_after_seconds=STREAMS_AGAIN_IN,
            )
        return True

    async def close_stream(self, principal: Principal) -> None:
        """Count one open stream less: now, or as soon as the store answers.

        Args:
            principal: Whose.
        """
        try:
            await self._allowances.close_stream(self._process, principal.key)
        except StoreUnavailable:
            self._not_told.append(principal.key)

    async def _tell(self) -> None:
        while True:
            with suppress(StoreUnavailable):
                await self._allowances.keep_streams(self._process)
                while self._not_told:
                    await self._allowances.close_stream(self._process, self._not_told[0])
                    del self._not_told[0]
            await asyncio.sleep(_TOLD_EVERY)

    def _lease(self, principal: str, kind: Kind) -> _Lease:
        key = (principal, kind)
        lease = self._leases.get(key)
        if lease is None:
            lease = self._leases[key] = _Lease()
            if len(self._leases) > _REMEMBERED:
                self._leases.popitem(last=False)
        else:
            self._leases.move_to_end(key)
        return lease

    def _gives(self, lease: _Lease, amount: int) -> bool:
        if self._clock() >= lease.ends:
            lease.held, lease.is_spent = 0, False
            return False
        if lease.held < amount:
            return False
        lease.held -= amount
        return True

    async def _take(
        self, principal: str, kind: Kind, lease: _Lease, amount: int, most: int
    ) -> None:
        if lease.is_spent:
            return  # the store has said so for this period
        # What is too much for this process stays for the others, and for smaller requests.
        least = amount - lease.held
        wanted = max(least, ceil(most / _SHARE))
        granted = await self._allowances.take(
            principal, kind, wanted, most=most, period=PERIODS[kind], least=least
        )
        lease.held += granted.amount
        lease.left = granted.left
        lease.ends = self._clock() + granted.resets_in


def _limited(kind: Kind, most: int, seconds: float) -> RateLimited:
    wait = max(0.0, seconds)
    each = "a second" if kind == "requests" else "a day"
    return RateLimited(
        f"Your token may have {most} {kind} {each}; try again later.",
        limit=kind,
        most=most,
        retry_after_seconds=round(wait, 3),
    )
