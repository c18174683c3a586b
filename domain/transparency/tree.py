"""The Merkle tree of RFC 6962 over positions: the event at position `p` is the leaf `p - 1`.

A node `(level, number)` is the hash of the leaves from `number << level` up to `(number + 1) <<
level`, exclusive. It exists once all of these leaves do. Every range that the RFC hashes is a node,
or is made of several: the nodes are enough to compute every root and every proof.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from hashlib import sha256
from struct import Struct
from typing import NamedTuple

HASH_SIZE = 32
_each = Struct(f"{HASH_SIZE}s").iter_unpack
_each_pair = Struct(f"{2 * HASH_SIZE}s").iter_unpack
EMPTY_ROOT = sha256(b"").digest()


class Node(NamedTuple):
    """A complete subtree of `1 << level` leaves."""

    level: int
    number: int


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of a leaf.

    Args:
        entry: What the leaf stands for: here the 32 bytes of an event's digest.
    """
    return sha256(b"\0" + entry).digest()


def leaf_hashes(entries: bytes) -> bytes:
    """Return the hashes of leaves of 32 bytes each, joined as they were.

    Args:
        entries: The digests of events, joined.
    """
    return b"".join([sha256(b"\0" + entry).digest() for (entry,) in _each(entries)])


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash above two others."""
    return sha256(b"\1" + left + right).digest()


def parents(hashes: bytes) -> bytes:
    """Return the hashes above pairs of neighbours.

    Args:
        hashes: Joined, an even number of them.
    """
    return b"".join([sha256(b"\1" + pair).digest() for (pair,) in _each_pair(hashes)])


def root_of_complete(hashes: bytes) -> bytes:
    """Return the hash above so many hashes, a power of two of them.

    Args:
        hashes: Joined.
    """
    while len(hashes) > HASH_SIZE:
        hashes = parents(hashes)
    return hashes


def nodes_between(first: int, end: int) -> list[Node]:
    """Return the nodes that the RFC's hash of some leaves is made of, from left to right.

    Args:
        first: The first leaf, at a multiple of the largest power of two below their number.
        end: The leaf after the last one.
    """
    nodes: list[Node] = []
    while first < end:
        level = (end - first).bit_length() - 1
        nodes.append(Node(level, first >> level))
        first += 1 << level
    return nodes


def fold(hashes: Sequence[bytes]) -> bytes:
    """Return the hash of the leaves that some nodes stand for.

    Args:
        hashes: Those of the nodes, from left to right; none are the empty tree.
    """
    if not hashes:
        return EMPTY_ROOT
    return reduce(lambda right, left: node_hash(left, right), reversed(hashes))


def root_of(size: int, known: Mapping[Node, bytes]) -> bytes:
    """Return the root of the tree over the first leaves.

    Args:
        size: How many leaves.
        known: The hashes of `nodes_between(0, size)`.
    """
    return fold([known[node] for node in nodes_between(0, size)])


class Frontier:
    """A tree that only grows, as little of it as its root needs."""

    def __init__(self) -> None:
        self.size = 0
        self._hashes: list[bytes] = []

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Let the tree grow.

        Args:
            leaves: The hashes of the leaves that follow.
        """
        hashes = self._hashes
        for leaf in leaves:
            grown, size = leaf, self.size
            while size & 1:
                grown = node_hash(hashes.pop(), grown)
                size >>= 1
            hashes.append(grown)
            self.size += 1

    def root(self) -> bytes:
        """Return the root of the tree as it is."""
        return fold(self._hashes)
