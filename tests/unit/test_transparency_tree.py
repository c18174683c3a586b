"""The tree, its tiles and its proofs, held to what Go's tlog and PyPI's pymerkle make of them."""

import json
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymerkle import InmemoryTree
from pymerkle.proof import verify_inclusion

from domain.transparency.proofs import (
    Leaves,
    consistency_plan,
    goes_on,
    inclusion_plan,
    nodes_of,
    proof_of,
)
from domain.transparency.tiles import (
    TileId,
    completed,
    edge_of,
    edge_with,
    hashes_of,
    parse_path,
    path_of,
    tile_of,
    width_of,
)
from domain.transparency.tree import (
    EMPTY_ROOT,
    Frontier,
    Node,
    leaf_hash,
    leaf_hashes,
    node_hash,
    nodes_between,
    root_of,
)
from tests.support.inclusion import includes

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "tlog.json").read_text("utf-8")
)


def entry(position: int) -> bytes:
    return sha256(position.to_bytes(8, "big")).digest()


class Grown:
    """A tree that is kept in tiles, in batches as the job keeps them."""

    def __init__(self, size: int, batch: int = 4096) -> None:
        self.size = size
        self.entries = b"".join(map(entry, range(1, size + 1)))
        self.kept: dict[TileId, bytes] = {}
        self.roots: dict[TileId, bytes] = {}
        whole = size // 256 * 256
        for first in range(0, whole, batch):
            end = min(first + batch, whole)
            edge = {at: self.tile(at, first) for at in edge_of(first)}
            leaves = leaf_hashes(self.entries[first * 32 : end * 32])
            for tile in completed(first, edge, leaves):
                assert tile.at not in self.kept
                self.kept[tile.at], self.roots[tile.at] = tile.hashes, tile.root

    def tile(self, at: TileId, size: int) -> bytes:
        width = width_of(at, size)
        if width == 256 and at in self.kept:
            return self.kept[at]
        if at.level == 0:
            first = at.number * 256
            return leaf_hashes(self.entries[first * 32 : (first + width) * 32])
        first = at.number * 256
        below = (TileId(at.level - 1, first + i) for i in range(width))
        return b"".join(self.roots[one] for one in below)

    def hashes(self, nodes: Iterable[Node], size: int) -> dict[Node, bytes]:
        wanted = set(nodes)
        return hashes_of(wanted, {at: self.tile(at, size) for at in map(tile_of, wanted)})

    def root(self, size: int) -> bytes:
        return root_of(size, self.hashes(nodes_between(0, size), size))

    def proof(self, plan: list[Leaves], size: int) -> list[bytes]:
        return proof_of(plan, self.hashes(nodes_of(plan), size))


@pytest.fixture(scope="module")
def grown() -> Grown:
    return Grown(70_000)


def test_roots_are_those_of_go(grown: Grown) -> None:
    assert VECTORS["empty_root"] == EMPTY_ROOT.hex() == grown.root(0).hex()
    for size, root in VECTORS["roots"].items():
        assert grown.root(int(size)).hex() == root


def test_a_frontier_has_the_same_roots(grown: Grown) -> None:
    frontier = Frontier()
    assert frontier.root() == EMPTY_ROOT
    for position in range(1, 1001):
        frontier.extend([leaf_hash(entry(position))])
        if str(position) in VECTORS["roots"]:
            assert frontier.root().hex() == VECTORS["roots"][str(position)]
    assert frontier.size == 1000


def test_proofs_of_inclusion_are_those_of_go(grown: Grown) -> None:
    for one in VECTORS["inclusion"]:
        leaf, size = one["position"] - 1, one["size"]
        proof = grown.proof(inclusion_plan(leaf, size), size)
        assert [part.hex() for part in proof] == one["proof"]
        assert includes(leaf, size, leaf_hash(entry(leaf + 1)), proof, grown.root(size))
        assert not includes(leaf, size, leaf_hash(entry(leaf + 2)), proof, grown.root(size))
        assert not includes(leaf, size, leaf_hash(entry(leaf + 1)), [*proof, b""], grown.root(size))
        if proof:
            short = proof[:-1]
            assert not includes(leaf, size, leaf_hash(entry(leaf + 1)), short, grown.root(size))


def test_proofs_of_consistency_are_those_of_go(grown: Grown) -> None:
    for one in VECTORS["consistency"]:
        old, new = one["from"], one["to"]
        proof = grown.proof(consistency_plan(old, new), new)
        assert [part.hex() for part in proof] == one["proof"]
        assert goes_on(old, new, grown.root(old), grown.root(new), proof)
        assert not goes_on(old, new, grown.root(old - 1), grown.root(new), proof)
        assert not goes_on(old, new, grown.root(old), grown.root(new - 1), proof)
        assert not goes_on(old, new, grown.root(old), grown.root(new), [*proof, bytes(32)])
        if proof:
            assert not goes_on(old, new, grown.root(old), grown.root(new), proof[:-1])


@pytest.mark.parametrize("one", VECTORS["tiles"], ids=lambda one: one["path"])
def test_tiles_are_those_of_go(grown: Grown, one: dict[str, Any]) -> None:
    level, index, width = one["level"], one["index"], one["width"]
    assert one["path"] == f"tile/{level}/{path_of(index, width)}"
    size = (index * 256 + width) * 256**level
    assert size <= grown.size
    hashes = grown.tile(TileId(level, index), size)
    assert len(hashes) == one["bytes"]
    assert sha256(hashes).hexdigest() == one["sha256"]


@given(st.data())
def test_every_proof_shows_what_it_is_for(data: st.DataObject) -> None:
    new = data.draw(st.integers(1, 600))
    old, leaf = data.draw(st.integers(0, new)), data.draw(st.integers(0, new - 1))
    tree = Grown(new, batch=256)
    inclusion = tree.proof(inclusion_plan(leaf, new), new)
    assert includes(leaf, new, leaf_hash(entry(leaf + 1)), inclusion, tree.root(new))
    consistency = tree.proof(consistency_plan(old, new), new)
    assert goes_on(old, new, tree.root(old), tree.root(new), consistency)
    other = data.draw(st.integers(0, new))
    assert goes_on(other, new, tree.root(old), tree.root(new), consistency) == (other == old)


def test_another_library_agrees() -> None:
    theirs = InmemoryTree()
    for position in range(1, 301):
        theirs.append_entry(entry(position))
    ours = Grown(300)
    for size in (1, 2, 3, 7, 8, 255, 256, 257, 300):
        assert ours.root(size) == theirs.get_root(size)
        for position in {1, size // 2 + 1, size}:
            proof = theirs.prove_inclusion(position, size)
            leaf = leaf_hash(entry(position))
            own = ours.proof(inclusion_plan(position - 1, size), size)
            assert own == proof.path[1:]
            proof.path = [leaf, *own]
            verify_inclusion(leaf, ours.root(size), proof)


def test_nothing_is_in_an_empty_tree_or_beyond_the_end() -> None:
    assert not includes(0, 0, leaf_hash(entry(1)), [], EMPTY_ROOT)
    root = leaf_hash(entry(1))
    assert includes(0, 1, root, [], root)
    assert not includes(1, 1, root, [], root)
    assert not includes(-1, 1, root, [], root)


def test_a_proof_that_is_too_short_shows_nothing() -> None:
    root = leaf_hash(entry(1))
    assert not includes(0, 2, root, [], root)


def test_a_tile_beyond_the_end_has_no_hashes() -> None:
    assert [width_of(TileId(0, number), 300) for number in range(4)] == [256, 44, 0, 0]


def test_a_tree_never_goes_on_from_a_larger_one() -> None:
    root = leaf_hash(entry(1))
    assert goes_on(0, 1, EMPTY_ROOT, root, [])
    assert not goes_on(1, 0, root, EMPTY_ROOT, [])
    assert not goes_on(0, 1, root, root, [])
    assert not goes_on(3, 4, root, root, [])
    assert not goes_on(2, 1, root, root, [])
    assert not goes_on(-1, -1, root, root, [])


def test_no_root_that_is_made_for_a_proof_makes_it_hold(grown: Grown) -> None:
    one, two, stray = leaf_hash(entry(1)), grown.root(2), leaf_hash(b"stray")
    second = leaf_hash(entry(2))
    assert not includes(0, 1, one, [stray], node_hash(stray, one))
    assert not includes(0, 4, one, [second], two)
    assert not goes_on(0, 1, EMPTY_ROOT, one, [stray])
    assert not goes_on(1, 2, node_hash(stray, one), node_hash(stray, two), [second, stray])
    assert not goes_on(1, 2, one, node_hash(stray, two), [second, stray])
    assert not goes_on(2, 4, two, two, [])


def test_the_edge_of_a_tree_is_what_its_complete_tiles_have_left_open() -> None:
    for size, batch in ((70_144, 4096), (70_144, 256), (70_144, 70_144), (65_536, 256)):
        grown = Grown(size, batch)
        edge: dict[TileId, bytes] = {}
        for first in range(0, size, batch):
            end = min(first + batch, size)
            leaves = leaf_hashes(grown.entries[first * 32 : end * 32])
            edge = edge_with(edge, completed(first, edge, leaves))
            assert edge == {at: grown.tile(at, end) for at in edge_of(end)}


def test_a_tile_is_complete_on_every_level_at_once() -> None:
    """No test has so many leaves: what is below the edge is left out."""
    level = 7
    size = 256**level - 256
    edge = {at: bytes(width_of(at, size) * 32) for at in edge_of(size)}
    assert [(at.level, at.number, len(hashes)) for at, hashes in edge.items()] == [
        (one, 256 ** (level - one - 1) - 1, 255 * 32) for one in range(1, level)
    ]

    tiles = completed(size, edge, bytes(256 * 32))

    assert [tile.at for tile in tiles] == [
        (one, 256 ** (level - one - 1) - 1) for one in range(level)
    ]
    assert all(len(tile.hashes) == 256 * 32 for tile in tiles)
    assert edge_with(edge, tiles) == {TileId(level, 0): tiles[-1].root}


@pytest.mark.parametrize(
    ("index", "path"),
    [(0, "000"), (999, "999"), (1000, "x001/000"), (1_234_067, "x001/x234/067")],
)
def test_paths_of_tiles(index: int, path: str) -> None:
    assert path_of(index) == path
    assert parse_path(path) == (index, 256)
    assert parse_path(f"{path}.p/17") == (index, 17)


@pytest.mark.parametrize(
    "text",
    ["", "0", "00", "0000", "x000/000", "001/000", "x001/x000", "000.p/0", "000.p/256",
     "000.p/257", "000.p/999", "000.p/1000", "000.p/", "000.p/01", "000/", "-01",
     "\u0660\u0660\u0660"],
)  # fmt: skip
def test_paths_that_no_tile_has(text: str) -> None:
    assert parse_path(text) is None
