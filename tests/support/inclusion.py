"""Checking proofs that an event is in the log, as whoever holds a checkpoint does."""

from collections.abc import Sequence

from domain.transparency.tree import node_hash


def includes(leaf: int, size: int, hashed: bytes, proof: Sequence[bytes], root: bytes) -> bool:
    """Return whether a proof shows that a leaf is in a tree (RFC 9162, 2.1.3.2).

    Args:
        leaf: Which one, from 0.
        size: The leaves of the tree.
        hashed: The hash of the leaf.
        proof: Hashes, from the leaf upwards.
        root: Of the tree.
    """
    if not 0 <= leaf < size:
        return False
    node, last = leaf, size - 1
    for sibling in proof:
        if last == 0:
            return False
        if node & 1 or node == last:
            hashed = node_hash(sibling, hashed)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            hashed = node_hash(hashed, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and hashed == root
