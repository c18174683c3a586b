"""Keeps the complete tiles of the tree over the log, as the log grows.

The checkpoint of this consumer moves by whole tiles of 256 events. It reads only the digests of
events: a hundred thousand of them cost no more than a page of records.
"""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Generic, NamedTuple, TypeVar

from application.fan_out import FanOut
from application.ports.log.checkpoints import Checkpoints
from application.ports.log.transparency import Tiles
from domain.transparency.tiles import (
    WIDTH,
    CompleteTile,
    TileId,
    completed,
    edge_of,
    edge_with,
    width_of,
)
from domain.transparency.tree import HASH_SIZE, leaf_hashes

TransactionT = TypeVar("TransactionT")

CONSUMER = "log tiles"
_BATCH = 256 * WIDTH
LOOK = 5.0
"""Seconds between rounds. Who asks for a tile that is not kept yet has it made: so fewer rounds
cost nobody anything, and appends less."""


class TileKeeper(Generic[TransactionT]):
    """Brings the kept tiles up to a position.

    Args:
        tiles: Where they are kept.
        checkpoints: How far they go.
        fan_out: Tells how far the log goes.
    """

    def __init__(
        self, tiles: Tiles[TransactionT], checkpoints: Checkpoints[TransactionT], fan_out: FanOut
    ) -> None:
        self._tiles = tiles
        self._checkpoints = checkpoints
        self._fan_out = fan_out
        self._reached = 0
        self._edge_of = 0
        self._edge: Mapping[TileId, bytes] = {}
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
            while self._reached < whole:
                await self._grow(whole)

    async def round(self) -> float:
        """Catch up with the log, and return the seconds until the next round."""
        await self.catch_up(self._fan_out.position)
        return LOOK

    async def _grow(self, whole: int) -> None:
        """Keep tiles up to a position, or until another process has kept one of them.

        While a batch is hashed the one before it is written, and the next one read.

        Args:
            whole: Where the last batch ends.
        """
        after = self._reached
        digests = await self._tiles.digests(after, min(whole, after + _BATCH))
        edge = await self._edge_at(after)
        made = _Made(after, (), edge)
        while True:
            upto = after + len(digests) // HASH_SIZE
            keeping = asyncio.create_task(self._keep(made))
            try:
                # Hashing holds the interpreter: in a thread it lets go of it between the
                # milliseconds.
                hashed, following = await asyncio.gather(
                    asyncio.to_thread(_made, after, edge, digests),
                    self._tiles.digests(upto, min(whole, upto + _BATCH)),
                )
            finally:
                is_kept = await keeping
            if not is_kept:
                return
            made, after, edge, digests = hashed, upto, hashed.edge, following
            if not digests:
                await self._keep(made)
                return

    async def _edge_at(self, size: int) -> Mapping[TileId, bytes]:
        """Return the hashes of the partial tiles of a tree of so many leaves, whole tiles."""
        if size == self._edge_of:
            return self._edge
        return await self._tiles.hashes({at: width_of(at, size) for at in edge_of(size)})

    async def _keep(self, made: "_Made") -> bool:
        """Keep tiles; return whether no other process has."""
        if not made.tiles:
            return True
        after = self._reached
        moved = await self._checkpoints.move(
            CONSUMER,
            after=after,
            upto=made.upto,
            effect=partial(self._tiles.keep, tiles=made.tiles),
        )
        if not moved:
            self._reached = await self._checkpoints.position(CONSUMER)
            return False
        self._reached = self._edge_of = made.upto
        self._edge = made.edge
        return True


class _Made(NamedTuple):
    """The tiles that one batch has completed, and the edge of the tree behind them."""

    upto: int
    tiles: Sequence[CompleteTile]
    edge: Mapping[TileId, bytes]


def _made(after: int, edge: Mapping[TileId, bytes], digests: bytes) -> _Made:
    tiles = completed(after, edge, leaf_hashes(digests))
    return _Made(after + len(digests) // HASH_SIZE, tiles, edge_with(edge, tiles))
