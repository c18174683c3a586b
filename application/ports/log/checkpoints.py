"""How far each consumer of the log has come."""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

TransactionT_co = TypeVar("TransactionT_co", covariant=True)


class Checkpoints(Protocol[TransactionT_co]):
    """One durable position a consumer, moved in one transaction with what the consumer writes.

    `TransactionT_co` is what an effect writes through: an open connection on Postgres, the tables
    in memory.
    """

    async def position(self, consumer: str) -> int:
        """Return the position that a consumer has reached; 0 before its first batch.

        Args:
            consumer: Its name, the same one in every process, such as `audit index`.
        """
        ...

    async def move(
        self,
        consumer: str,
        *,
        after: int,
        upto: int,
        effect: Callable[[TransactionT_co], Awaitable[None]],
    ) -> bool:
        """Move a checkpoint and write an effect in one transaction, both or neither.

        The checkpoint is locked first: of two copies of a consumer the second one waits, and then
        finds that the checkpoint has moved. A lower `upto` goes back, to build something anew.

        Args:
            consumer: Its name.
            after: Where the checkpoint must be.
            upto: Where it goes.
            effect: Writes through the transaction that it is given, and nowhere else: it may run
                more than once when its transaction is rolled back.

        Returns:
            False when the checkpoint is not at `after`: the effect has not run.

        Raises:
            StoreUnavailable: The store was lost; the position tells whether it was written.
        """
        ...
