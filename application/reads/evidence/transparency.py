"""The log as a transparency log: signed checkpoints, tiles, and proofs that need no trust."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from application.errors import AuditKeyMissing, BeyondTheLog
from application.ports.log.transparency import Signatures, SignedHead, SignedHeads, Tiles
from application.ports.log.whole_log import WholeLog
from domain.counted import counted
from domain.errors import LogDamaged
from domain.transparency.notes import SigningKey, TreeHead, VerifierKey, format_note
from domain.transparency.proofs import (
    consistency_plan,
    inclusion_plan,
    nodes_of,
    proof_of,
)
from domain.transparency.tiles import HEIGHT, WIDTH, TileId, hashes_of, tile_of, width_of
from domain.transparency.tree import (
    HASH_SIZE,
    Node,
    leaf_hash,
    leaf_hashes,
    nodes_between,
    root_of,
)


class KeepsTiles(Protocol):
    """Whatever brings the kept tiles up to a position."""

    async def catch_up(self, head: int) -> None:
        """Keep every tile that is complete in the tree over the first `head` events."""
        ...


class AuditKeys(NamedTuple):
    """The keys of this log.

    Args:
        signing: Those that sign, the newest first; the name of that one is the origin of the log.
        retired: Those that no longer sign, but have.
    """

    signing: tuple[SigningKey, ...] = ()
    retired: tuple[VerifierKey, ...] = ()

    @property
    def verifiers(self) -> tuple[VerifierKey, ...]:
        """All public keys, the newest first."""
        return (*(key.verifier for key in self.signing), *self.retired)


class Inclusion(NamedTuple):
    """The proof that the event at a position is in the tree over the first `size` events."""

    position: int
    digest: bytes
    size: int
    root: bytes
    proof: Sequence[bytes]

    def document(self) -> dict[str, Any]:
        """Return it as clients and files have it: in JSON, the hashes in hexadecimal."""
        return {
            "position": self.position,
            "digest": self.digest.hex(),
            "leaf_hash": leaf_hash(self.digest).hex(),
            "size": self.size,
            "root": self.root.hex(),
            "proof": [one.hex() for one in self.proof],
        }


class Consistency(NamedTuple):
    """The proof that the tree over `new` events goes on from that over `old` ones."""

    old: int
    new: int
    old_root: bytes
    new_root: bytes
    proof: Sequence[bytes]

    def document(self) -> dict[str, Any]:
        """Return it as clients and files have it: in JSON, the hashes in hexadecimal."""
        return {
            "from": self.old,
            "to": self.new,
            "from_root": self.old_root.hex(),
            "to_root": self.new_root.hex(),
            "proof": [one.hex() for one in self.proof],
        }


class TransparencyLog:
    """Answers for the tree over the log.

    Args:
        log: What it is over.
        tiles: What is kept of it.
        heads: What was signed of it.
        keeper: Brings what is kept up to date.
        signatures: Signs.
        keys: With what; without any there are proofs, and no checkpoints.
    """

    def __init__(
        self,
        log: WholeLog,
        tiles: Tiles[Any],
        heads: SignedHeads,
        keeper: KeepsTiles,
        signatures: Signatures,
        keys: AuditKeys,
    ) -> None:
        self._log = log
        self._tiles = tiles
        self._heads = heads
        self._keeper = keeper
        self._signatures = signatures
        self.keys = keys

    async def checkpoint(self) -> SignedHead:
        """Return the signed head of the log as it is now.

        Raises:
            AuditKeyMissing: There is no key to sign with.
            LogDamaged: The log does not go on from what was signed before; nothing is signed.
        """
        if not self.keys.signing:
            raise AuditKeyMissing
        # Before the log: else what another process signs in between seems to be beyond its end.
        newest = next(iter(await self._heads.page(None, 1)), None)
        size = await self._log.head()
        signers = "+".join(key.verifier.key_id.hex() for key in self.keys.signing)
        if newest is not None and newest.head.size == size:
            signed = await self._heads.of_size(size, signers)
            if signed is not None:
                return signed
        root = await self._root_after(None if newest is None else newest.head, size)
        head = TreeHead(self.keys.signing[0].verifier.name, size, root)
        text = str(head)
        signatures = tuple(self._signatures.sign(key, text) for key in self.keys.signing)
        return await self._heads.add(head, signers, format_note(text, signatures))

    async def history(self, before: int | None, limit: int) -> Sequence[SignedHead]:
        """Return checkpoints that were signed, the newest first.

        Args:
            before: Only of smaller trees; None is all of them.
            limit: The most, but for others of the size of the last.
        """
        return await self._heads.page(before, limit)

    async def root(self, size: int) -> bytes:
        """Return the root of the tree over the first events.

        Raises:
            BeyondTheLog: There are fewer.
        """
        await self._require(size)
        return root_of(size, await self._hashes(nodes_between(0, size), size))

    async def inclusion(self, position: int, size: int) -> Inclusion:
        """Return the proof that an event is in the tree over the first `size` events.

        Args:
            position: From 1 to `size`.
            size: How many events.

        Raises:
            BeyondTheLog: The log, or the tree, has no such position.
        """
        await self._require(size)
        if not 1 <= position <= size:
            raise BeyondTheLog(
                f"a tree of {counted(size, 'event')} has the positions 1 to {size},"
                f" and not {position}"
                if size
                else "the tree of 0 events has nothing in it",
                head=await self._log.head(),
            )
        plan = inclusion_plan(position - 1, size)
        digest = await self._tiles.digests(position - 1, position)
        leaf = Node(0, position - 1)
        wanted = {leaf, *nodes_of(plan), *nodes_between(0, size)}
        known = await self._hashes(wanted, size)
        if known[leaf] != leaf_hash(digest):
            raise LogDamaged(
                f"the event at position {position} is not the one that the tree was made of"
            )
        root = root_of(size, known)
        return Inclusion(position, digest, size, root, proof_of(plan, known))

    async def consistency(self, old: int, new: int) -> Consistency:
        """Return the proof that the tree over `new` events goes on from that over `old` ones.

        Args:
            old: From 0 to `new`.
            new: How many events.

        Raises:
            BeyondTheLog: The log has fewer events, or `old` is larger than `new`.
        """
        await self._require(new)
        if old > new:
            raise BeyondTheLog(
                f"a tree of {counted(new, 'event')} cannot go on from one of {old}",
                head=await self._log.head(),
            )
        plan = consistency_plan(old, new)
        wanted = {*nodes_of(plan), *nodes_between(0, old), *nodes_between(0, new)}
        known = await self._hashes(wanted, new)
        proof = proof_of(plan, known)
        return Consistency(old, new, root_of(old, known), root_of(new, known), proof)

    async def tile(self, at: TileId, width: int) -> bytes | None:
        """Return hashes of a tile, joined; None when the log is too short for them.

        Args:
            at: Which tile.
            width: How many of its hashes, 1 to 256.
        """
        size = (at.number * WIDTH + width) << HEIGHT * at.level
        if size > await self._log.head():
            return None
        await self._keeper.catch_up(size)
        return (await self._tiles_of([at], size))[at]

    async def entries(self, number: int, width: int) -> bytes | None:
        """Return the digests of events as an entry bundle; None when the log is too short.

        They are read from the log itself, so that they can be held against the kept tiles.

        Args:
            number: Of the tile of the lowest level that they are the leaves of.
            width: How many, 1 to 256.
        """
        first = number * WIDTH
        if first + width > await self._log.head():
            return None
        digests = await self._tiles.digests(first, first + width)
        length = HASH_SIZE.to_bytes(2, "big")
        ends = range(0, len(digests), HASH_SIZE)
        return b"".join([length + digests[at : at + HASH_SIZE] for at in ends])

    async def _require(self, size: int) -> None:
        head = await self._log.head()
        if size > head:
            raise BeyondTheLog(f"the log has {counted(head, 'event')}, and not {size}", head=head)
        await self._keeper.catch_up(size)

    async def _root_after(self, before: TreeHead | None, size: int) -> bytes:
        """Return the root of the tree over all events, which must go on from what was signed."""
        if before is not None and before.size > size:
            raise LogDamaged(
                f"the log has {counted(size, 'event')}, and a checkpoint of {before.size}"
                " was signed: its end was cut off"
            )
        await self._keeper.catch_up(size)
        wanted = {*nodes_between(0, size), *nodes_between(0, before.size if before else 0)}
        known = await self._hashes(wanted, size)
        if before is not None and root_of(before.size, known) != before.root:
            raise LogDamaged(
                "the log has changed since its checkpoint of"
                f" {counted(before.size, 'event')} was signed"
            )
        return root_of(size, known)

    async def _hashes(self, nodes: Iterable[Node], size: int) -> Mapping[Node, bytes]:
        wanted = set(nodes)
        return hashes_of(wanted, await self._tiles_of({tile_of(one) for one in wanted}, size))

    async def _tiles_of(self, wanted: Iterable[TileId], size: int) -> Mapping[TileId, bytes]:
        widths = {at: width_of(at, size) for at in wanted}
        kept = {at: width for at, width in widths.items() if at.level > 0 or width == WIDTH}
        tiles = {**await self._tiles.hashes(kept)}
        for at, width in widths.items():
            if at not in tiles:
                first = at.number * WIDTH
                tiles[at] = leaf_hashes(await self._tiles.digests(first, first + width))
        return tiles
