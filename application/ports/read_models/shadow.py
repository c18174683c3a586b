"""The read models that are made anew, until they take the place of those that are read."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol
from uuid import UUID

from application.ports.read_models.logged import LoggedEvents
from application.ports.read_models.made import Made
from application.ports.read_models.progress import Difference, Ended, RebuildProgress
from domain.session.state import Session


class Shadow(LoggedEvents, Protocol):
    """The read models that are made anew; one process at a time has them."""

    async def progress(self) -> RebuildProgress | None:
        """Return how far an earlier rebuild has come that was not finished."""
        ...

    async def begin(self, program: str) -> RebuildProgress:
        """Forget what is there, and begin."""
        ...

    async def bases(self, logs: Sequence[UUID]) -> Mapping[UUID, tuple[int, Session | None]]:
        """Return of the logs that are in up to which sequence, and the folded state if kept."""
        ...

    async def kept_states(self, logs: Sequence[UUID]) -> Mapping[UUID, Mapping[int, Session]]:
        """Return the kept states of sessions by their sequence."""
        ...

    async def put(self, made: Made, ended: Ended | None) -> None:
        """Put in what some logs come to, in one transaction, and compare their rows.

        Args:
            made: What they come to.
            ended: Which logs are in now; None when that has not changed.

        Raises:
            ErasedMeanwhile: What was put in so far is gone.
        """
        ...

    async def match_all(self) -> None:
        """Compare all rows with those of lists once more."""
        ...

    def moment(self, *, alone: bool) -> AbstractAsyncContextManager[None]:
        """Make all that is done meanwhile one transaction.

        Args:
            alone: Nobody appends meanwhile; else what is read is that of one moment.

        Raises:
            ErasedMeanwhile: What was put in so far is gone.
        """
        ...

    async def differences(self, limit: int) -> Sequence[Difference]:
        """Return what is not what the log says, at most so many of each read model."""
        ...

    async def switch(self) -> int:
        """Have what is read say what the log says, and return how many rows have changed."""
        ...

    async def forget(self) -> None:
        """Forget what is there: it is finished."""
        ...


class Shadows(Protocol):
    """Gives the read models that are made anew to one process at a time."""

    def open(self) -> AbstractAsyncContextManager[Shadow]:
        """Give them.

        Raises:
            RebuildRuns: Another process has them.
            StoreUnavailable: The store cannot be reached.
        """
        ...
