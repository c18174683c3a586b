"""Proofs of RFC 6962: that an event is in the log, and that a log goes on from an earlier one.

Each hash of a proof is that of a range of leaves. So a proof is planned as ranges, and computed
when the nodes they are made of are known; checking one needs only the proof.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from domain.transparency.tree import EMPTY_ROOT, Node, fold, node_hash, nodes_between


class Leaves(NamedTuple):
    """The leaves from `first` up to `end`, exclusive."""

    first: int
    end: int


def inclusion_plan(leaf: int, size: int) -> list[Leaves]:
    """Return what the proof that a leaf is in a tree consists of, from the leaf upwards.

    Args:
        leaf: From 0, less than `size`.
        size: The leaves of the tree.
    """
    plan: list[Leaves] = []
    first, end = 0, size
    while end - first > 1:
        middle = first + _half(end - first)
        if leaf < middle:
            plan.append(Leaves(middle, end))
            end = middle
        else:
            plan.append(Leaves(first, middle))
            first = middle
    return plan[::-1]


def consistency_plan(old: int, new: int) -> list[Leaves]:
    """Return what the proof that one tree goes on from another consists of.

    Args:
        old: The leaves of the earlier tree.
        new: The leaves of the later one, not fewer.
    """
    if old == 0:
        return []
    plan: list[Leaves] = []
    first, end = 0, new
    while old < end:
        middle = first + _half(end - first)
        if old <= middle:
            plan.append(Leaves(middle, end))
            end = middle
        else:
            plan.append(Leaves(first, middle))
            first = middle
    # The whole earlier tree is known to whoever asks; a part of it is not.
    if first > 0:
        plan.append(Leaves(first, end))
    return plan[::-1]


def nodes_of(plan: Iterable[Leaves]) -> set[Node]:
    """Return the nodes that must be known to compute a proof."""
    return {node for leaves in plan for node in nodes_between(*leaves)}


def proof_of(plan: Iterable[Leaves], known: Mapping[Node, bytes]) -> list[bytes]:
    """Return the hashes of a proof.

    Args:
        plan: What it consists of.
        known: The hashes of `nodes_of(plan)`.
    """
    return [fold([known[node] for node in nodes_between(*leaves)]) for leaves in plan]


def goes_on(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Return whether a proof shows that a tree goes on from another (RFC 9162, 2.1.4.2).

    Args:
        old: The leaves of the earlier tree.
        new: The leaves of the later one.
        old_root: Of the earlier tree.
        new_root: Of the later one.
        proof: Hashes.
    """
    if not 0 <= old <= new:
        return False
    if old == new:
        return not proof and old_root == new_root
    if old == 0:
        return not proof and old_root == EMPTY_ROOT
    path = [*proof] if old & (old - 1) else [old_root, *proof]
    if not path:
        return False
    node, last = old - 1, new - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    then = now = path[0]
    for hashed in path[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            then, now = node_hash(hashed, then), node_hash(hashed, now)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            now = node_hash(now, hashed)
        node, last = node >> 1, last >> 1
    return last == 0 and then == old_root and now == new_root


def _half(width: int) -> int:
    """Return the largest power of two that is less than a number of leaves, which is above 1."""
    return 1 << (width - 1).bit_length() - 1
