"""Keeps the complete tiles of the tree over the log, as the log grows.

The checkpoint of this consumer moves by whole tiles of 256 events. What it reads of an event is
its digest, which a hundred thousand times a second costs no more than a page of records.
"""

import asyncio
from functools import partial
from typing import Generic, TypeVar

from application.fan_out import FanOut
from application.ports.log.checkpoints import Checkpoints
from application.ports.log.transparency import Tiles
from domain.transparency.tiles import WIDTH, CompleteTile, completed, edge_of
from domain.transparency.tree import leaf_hashes

TransactionT = TypeVar("TransactionT")

CONSUMER = "log tiles"
_BATCH = 64 * WIDTH
_LOOK = 1.0


class TileKeeper(Generic[TransactionT]):
    """Brings the kept tiles up to a position.

    Args:
        tiles: Where they are kept.
        checkpoints: How far they go.
        hub: Tells how far the log goes.
    """

    def __init__(
        self, tiles: Tiles[TransactionT], checkpoints: Checkpoints[TransactionT], hub: FanOut
    ) -> None:
        self._tiles = tiles
        self._checkpoints = checkpoints
        self._hub = hub
        self._reached = 0
        self._turn = asyncio.Lock()

    async def catch_up(self, head: int) -> None:
        """Keep every tile that is complete in the tree over the first `head` events.

        Args:
            head: A position, at most the newest one.

        Raises:
            LogDamaged: Events below `head` are missing.
            StoreUnavailable: The store was lost; the next call goes on from the checkpoint.
        """
        whole = head - head % WIDTH
        if whole <= self._reached:
            return
        async with self._turn:
            self._reached = await self._checkpoints.position(CONSUMER)
            read_ahead = b""
            while self._reached < whole:
                read_ahead = await self._step(read_ahead, whole)

    async def round(self) -> float:
        """Catch up with the log, and return the seconds until the next round."""
        await self.catch_up(self._hub.position)
        return _LOOK

    async def _step(self, digests: bytes, whole: int) -> bytes:
        """Keep the tiles of one batch, and return the digests of the next one.

        Args:
            digests: Those of this batch if they have been read already, else nothing.
            whole: Where the last batch ends.
        """
        after = self._reached
        upto = min(whole, after + _BATCH)
        leaves = digests or await self._tiles.digests(after, upto)
        edge = {
            at: await self._tiles.roots(at.level - 1, at.number * WIDTH, after >> 8 * at.level)
            for at in edge_of(after)
        }
        # Hashing holds the interpreter: in a thread it lets go of it between the milliseconds, and
        # the database reads meanwhile.
        tiles, following = await asyncio.gather(
            asyncio.to_thread(lambda: completed(after, edge, leaf_hashes(leaves))),
            self._tiles.digests(upto, min(whole, upto + _BATCH)),
        )
        moved = await self._checkpoints.move(
            CONSUMER, after=after, upto=upto, effect=partial(self._keep, tiles=tiles)
        )
        if moved:
            self._reached = upto
            return following
        # Another process has kept these tiles.
        self._reached = await self._checkpoints.position(CONSUMER)
        return b""

    async def _keep(self, transaction: TransactionT, tiles: list[CompleteTile]) -> None:
        await self._tiles.keep(transaction, tiles)
