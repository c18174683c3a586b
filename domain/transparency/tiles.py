"""Tiles as C2SP tlog-tiles has them: 256 hashes of one level side by side, which never change.

A hash in a tile of level `l` stands for `256 ** l` leaves. The rightmost tile of a level is partial
until its 256 hashes are there, and only a complete one is hashed into the level above.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from domain.transparency.tree import HASH_SIZE, Node, nodes_between, root_of, root_of_complete

HEIGHT = 8
WIDTH = 1 << HEIGHT
TOP_LEVEL = 7
"""256 ** 8 leaves are more than positions can count."""

_PATH = re.compile(r"((?:x\d{3}/)*\d{3})(?:\.p/([1-9]\d{0,2}))?", re.ASCII)
_ALL_AS_ONE = WIDTH * HASH_SIZE


class TileId(NamedTuple):
    """Which tile: its level, and which one there from the left."""

    level: int
    number: int


class CompleteTile(NamedTuple):
    """A tile with all its 256 hashes, and the one hash above them."""

    at: TileId
    hashes: bytes
    root: bytes


class TilePath(NamedTuple):
    """What the path of a tile asks for: `width` hashes of the tile `number`."""

    number: int
    width: int


def path_of(index: int, width: int = WIDTH) -> str:
    """Return how a tile is named in a path, such as `x001/234` or `000.p/17`.

    Args:
        index: Which one, from 0.
        width: How many hashes of it.
    """
    digits = f"{index:03d}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    name = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
    return name if width == WIDTH else f"{name}.p/{width}"


def parse_path(text: str) -> TilePath | None:
    """Return what a path asks for; None when `path_of` makes no such path."""
    match = _PATH.fullmatch(text)
    if match is None:
        return None
    asked = TilePath(int(match[1].replace("x", "").replace("/", "")), int(match[2] or WIDTH))
    return asked if asked.width <= WIDTH and text == path_of(*asked) else None


def width_of(tile: TileId, size: int) -> int:
    """Return how many hashes a tile has in a tree of so many leaves, 0 to 256."""
    return min(max((size >> HEIGHT * tile.level) - tile.number * WIDTH, 0), WIDTH)


def tile_of(node: Node) -> TileId:
    """Return the tile in whose hashes a node is found."""
    level, height = divmod(node.level, HEIGHT)
    return TileId(level, (node.number << height) >> HEIGHT)


def hashes_of(nodes: Iterable[Node], tiles: Mapping[TileId, bytes]) -> dict[Node, bytes]:
    """Return the hashes of nodes.

    Args:
        nodes: Which ones.
        tiles: The hashes of their tiles, joined, as many as those nodes need.
    """
    found: dict[Node, bytes] = {}
    for node in nodes:
        height = node.level % HEIGHT
        first = (node.number << height) % WIDTH
        hashes = tiles[tile_of(node)]
        found[node] = root_of_complete(
            hashes[first * HASH_SIZE : (first + (1 << height)) * HASH_SIZE]
        )
    return found


def edge_of(size: int) -> Iterator[TileId]:
    """Yield the partial tile of each level above the lowest one, of a tree of so many leaves."""
    for level in range(1, TOP_LEVEL + 1):
        width = size >> HEIGHT * level
        if width % WIDTH:
            yield TileId(level, width >> HEIGHT)


def edge_with(edge: Mapping[TileId, bytes], tiles: Iterable[CompleteTile]) -> dict[TileId, bytes]:
    """Return the hashes of the partial tiles of a tree that has grown by some complete ones.

    Args:
        edge: The hashes of its partial tiles before that.
        tiles: All that were completed, the lowest level first and each level from left to right.
    """
    grown = dict(edge)
    for tile in tiles:
        above = TileId(tile.at.level + 1, tile.at.number >> HEIGHT)
        grown[above] = grown.get(above, b"") + tile.root
    return {at: hashes for at, hashes in grown.items() if len(hashes) < _ALL_AS_ONE}


def completed(size: int, edge: Mapping[TileId, bytes], leaves: bytes) -> list[CompleteTile]:
    """Return the tiles that leaves complete, the lowest level first.

    Args:
        size: The leaves before them, a multiple of 256.
        edge: The hashes of the partial tiles of `edge_of(size)`.
        leaves: The hashes of the leaves, joined, a multiple of 256 of them.
    """
    tiles: list[CompleteTile] = []
    grown = leaves
    for level in range(TOP_LEVEL + 1):
        index = size >> HEIGHT * (level + 1)
        hashes = edge.get(TileId(level, index), b"") + grown
        grown = b""
        for at in range(0, len(hashes) - _ALL_AS_ONE + 1, _ALL_AS_ONE):
            whole = hashes[at : at + _ALL_AS_ONE]
            root = root_of_complete(whole)
            tiles.append(CompleteTile(TileId(level, index), whole, root))
            grown += root
            index += 1
    return tiles


class TileTree:
    """A tree that grows by whole tiles, as little of it as its roots and its tiles need."""

    def __init__(self) -> None:
        self.size = 0
        self._edge: dict[TileId, bytes] = {}

    def grow(self, leaves: bytes) -> list[CompleteTile]:
        """Let the tree grow by a whole tile, and return what that completes.

        Args:
            leaves: The hashes of the 256 leaves that follow, joined.
        """
        tiles = completed(self.size, self._edge, leaves)
        self._edge = edge_with(self._edge, tiles)
        self.size += WIDTH
        return tiles

    def root(self, leaves: bytes = b"") -> bytes:
        """Return the root of the tree with some more leaves, which it does not keep.

        Args:
            leaves: The hashes of fewer than 256 leaves that follow, joined.
        """
        size = self.size + len(leaves) // HASH_SIZE
        tiles = {**self._edge, TileId(0, self.size >> HEIGHT): leaves}
        return root_of(size, hashes_of(nodes_between(0, size), tiles))
