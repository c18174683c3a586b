"""What the transparency log needs of the world: digests, kept tiles, signed heads, signatures."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol, TypeVar

from domain.transparency.notes import Signature, SigningKey, TreeHead, VerifierKey
from domain.transparency.tiles import CompleteTile, TileId

TransactionT_contra = TypeVar("TransactionT_contra", contravariant=True)


class SignedHead(NamedTuple):
    """A tree head that was signed once: it is never signed otherwise, and never forgotten.

    Args:
        head: What was signed.
        note: The whole note.
        at: When, UTC, by the clock of the store.
    """

    head: TreeHead
    note: str
    at: datetime


class Tiles(Protocol[TransactionT_contra]):
    """The complete tiles of the tree over the log, kept for ever, and what the rest is made of."""

    async def digests(self, after: int, upto: int) -> bytes:
        """Return the digests of events, joined in order of position.

        Args:
            after: A position, exclusive.
            upto: A position, inclusive.

        Raises:
            LogDamaged: A position is missing, which never happens by itself.
        """
        ...

    async def hashes(self, widths: Mapping[TileId, int]) -> Mapping[TileId, bytes]:
        """Return the first hashes of tiles, joined, from what is kept of the tree.

        Args:
            widths: How many of each, 1 to 256.

        Returns:
            For each tile its hashes; those of the lowest level only where the tile is kept.

        Raises:
            LogDamaged: Something is no longer kept, which never happens by itself.
        """
        ...

    async def kept(self, tiles: Sequence[TileId]) -> Sequence[CompleteTile]:
        """Return of some tiles those that are kept, as they are kept.

        Args:
            tiles: Complete ones.
        """
        ...

    async def keep(self, transaction: TransactionT_contra, tiles: Sequence[CompleteTile]) -> None:
        """Keep tiles, in the transaction that moves the checkpoint of the job."""
        ...


class SignedHeads(Protocol):
    """All tree heads that were ever signed.

    `signers` are the ids of the keys that signed one: after a rotation the same tree may be signed
    again, by the new key.
    """

    async def add(self, head: TreeHead, signers: str, note: str) -> SignedHead:
        """Keep a signed tree head, or return the one that was kept for them before."""
        ...

    async def of_size(self, size: int, signers: str) -> SignedHead | None:
        """Return the one over so many leaves; None when they have signed none."""
        ...

    async def page(self, before: int | None, limit: int) -> Sequence[SignedHead]:
        """Return some with trees smaller than `before`, the largest first; None is all of them.

        More than `limit` come where others are of the size of the last: all of one size come at
        once.
        """
        ...

    async def between(self, after: int, upto: int) -> Sequence[SignedHead]:
        """Return those with trees larger than `after` and not larger than `upto`, in that order."""
        ...


class Signatures(Protocol):
    """Ed25519 on the texts of notes."""

    def new_key(self, name: str) -> SigningKey:
        """Return a new private key.

        Raises:
            MalformedNote: A key cannot have this name.
        """
        ...

    def read_key(self, text: str) -> SigningKey:
        """Return a private key as a file has it.

        Raises:
            MalformedNote: It is none.
        """
        ...

    def sign(self, key: SigningKey, text: str) -> Signature:
        """Return a key's signature on a text."""
        ...

    def holds(self, key: VerifierKey, text: str, signature: Signature) -> bool:
        """Return whether a signature on a text is that of a key."""
        ...
