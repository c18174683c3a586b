"""Verification of what is kept to prove the log: the tiles of its tree, and the signed heads.

Both are held against the digests in the log. With a tile that is not made of them, proofs are wrong
or refused. A signed head that they do not come to was changed itself, or the log was: so a log that
was changed is found out here too, and not only by who has kept a checkpoint outside.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

from application.ports.log.checkpoints import Checkpoints
from application.ports.log.transparency import Signatures, SignedHead, SignedHeads, Tiles
from application.ports.log.whole_log import WholeLog
from application.projections.log_tiles import CONSUMER
from domain.counted import counted
from domain.errors import LogDamaged
from domain.transparency.notes import (
    MalformedNote,
    VerifierKey,
    parse_note,
    parse_tree_head,
)
from domain.transparency.tiles import HEIGHT, WIDTH, CompleteTile, TileTree
from domain.transparency.tree import HASH_SIZE, leaf_hashes

_BATCH = 32 * WIDTH
_WHOLE = WIDTH * HASH_SIZE


class TreeFault(NamedTuple):
    """One thing that is wrong with what is kept.

    Args:
        code: What, as the handbook of repair names it.
        detail: One sentence.
    """

    code: str
    detail: str


class Signers:
    """Who signs the heads of a log.

    Args:
        signatures: Checks signatures.
        keys: The public keys of the log, old ones too.
    """

    def __init__(self, signatures: Signatures, keys: Sequence[VerifierKey]) -> None:
        self._signatures = signatures
        self._keys = {(key.name, key.key_id): key for key in keys}

    def have_signed(self, signed: SignedHead) -> bool:
        """Return whether a head is what its note says; of keys that are not known nothing is.

        Args:
            signed: The head with its note.
        """
        try:
            note = parse_note(signed.note.encode())
            if parse_tree_head(note.text) != signed.head:
                return False
        except MalformedNote:
            return False
        return all(
            self._signatures.holds(self._keys[one.name, one.key_id], note.text, one)
            for one in note.signatures
            if (one.name, one.key_id) in self._keys
        )


class TreeCheck:
    """Checks what is kept of the tree over the log.

    Args:
        log: What it is over.
        tiles: What is kept, and the digests.
        heads: What was signed.
        checkpoints: How far the tiles go.
        signers: Tell what they have signed.
    """

    def __init__(
        self,
        log: WholeLog,
        tiles: Tiles[Any],
        heads: SignedHeads,
        checkpoints: Checkpoints[Any],
        signers: Signers,
    ) -> None:
        self._log = log
        self._tiles = tiles
        self._heads = heads
        self._checkpoints = checkpoints
        self._signers = signers

    async def faults(self) -> Sequence[TreeFault]:
        """Return what is wrong, of each code the first; up to the first hole in the log."""
        faults: list[TreeFault] = []
        # Before the log: else what is signed and kept in between seems to be beyond its end.
        newest = next(iter(await self._heads.page(None, 1)), None)
        kept = await self._checkpoints.position(CONSUMER)
        head = await self._log.head()
        if newest is not None and newest.head.size > head:
            detail = _shorter(head, "a checkpoint was signed of", newest.head.size)
            faults.append(TreeFault("checkpoint_ahead", detail))
        if kept > head:
            faults.append(TreeFault("tree_mismatch", _shorter(head, "the kept tree is of", kept)))
        tree = TileTree()
        for after in range(0, head, _BATCH):
            upto = min(after + _BATCH, head)
            try:
                digests = await self._tiles.digests(after, upto)
            except LogDamaged:
                break
            heads = await self._heads.between(after, upto)
            grown = await asyncio.to_thread(self._grown, tree, digests, heads)
            faults += grown.faults
            faults += await self._faults_of([one for one in grown.tiles if _end(one) <= kept])
        return [*{fault.code: fault for fault in reversed(faults)}.values()][::-1]

    async def _faults_of(self, tiles: Sequence[CompleteTile]) -> Sequence[TreeFault]:
        """Return what is wrong with the first tile that is not kept as it should be."""
        there = {tile.at: tile for tile in await self._tiles.kept([one.at for one in tiles])}
        for tile in tiles:
            if there.get(tile.at) != tile:
                last = _end(tile)
                first = last - (WIDTH << HEIGHT * tile.at.level) + 1
                wrong = "is not made of them" if tile.at in there else "is no longer kept"
                detail = f"the tile of the events at the positions {first} to {last} {wrong}"
                return [TreeFault("tree_mismatch", detail)]
        return []

    def _grown(self, tree: TileTree, digests: bytes, heads: Sequence[SignedHead]) -> "_Grown":
        """Let the tree grow, and hold the heads against it that were signed meanwhile."""
        leaves = leaf_hashes(digests)
        faults: list[TreeFault] = []
        tiles: list[CompleteTile] = []
        left = [*reversed(heads)]
        for at in range(0, len(leaves), _WHOLE):
            piece, end = leaves[at : at + _WHOLE], tree.size + WIDTH
            while left and left[-1].head.size < end:
                width = left[-1].head.size - tree.size
                faults += self._fault_of(left.pop(), tree.root(piece[: width * HASH_SIZE]))
            if len(piece) == _WHOLE:
                tiles += tree.grow(piece)
            while left and left[-1].head.size == tree.size:
                faults += self._fault_of(left.pop(), tree.root())
        return _Grown(tiles, faults)

    def _fault_of(self, signed: SignedHead, root: bytes) -> Sequence[TreeFault]:
        size = counted(signed.head.size, "event")
        if not self._signers.have_signed(signed):
            detail = f"the checkpoint of {size} that is kept here is not as it was signed"
            return [TreeFault("signature_mismatch", detail)]
        if signed.head.root != root:
            detail = f"the first {size} are not those that a checkpoint kept here was signed of"
            return [TreeFault("checkpoint_mismatch", detail)]
        return []


class _Grown(NamedTuple):
    """The tiles that were completed, and what is wrong with the heads on the way."""

    tiles: Sequence[CompleteTile]
    faults: Sequence[TreeFault]


def _end(tile: CompleteTile) -> int:
    return (tile.at.number + 1) * WIDTH << HEIGHT * tile.at.level


def _shorter(head: int, what: str, size: int) -> str:
    return f"the log has {counted(head, 'event')}, and {what} {size}: its end was cut off"
