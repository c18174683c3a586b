"""An immutable map whose updates cost the same however much it holds, near enough.

A session with ten thousand messages must take the next one as fast as the first, and old states
must stay as they were: a plain dict would be copied whole at each step.
"""

from collections.abc import ItemsView, Iterable, Iterator, Mapping, ValuesView
from typing import Any, Generic, TypeVar, cast, overload

_V = TypeVar("_V")
_D = TypeVar("_D")

_BITS = 5
_MASK = (1 << _BITS) - 1
_LEAF = 16
_DEEPEST = 64 // _BITS

_Node = dict[str, Any] | tuple["_Node", ...]


class PersistentMap(Mapping[str, _V], Generic[_V]):
    """A hash tree: leaves of up to 16 entries, branches of 32; `put` and `drop` return a new map.

    Args:
        entries: What it holds at first.
    """

    __slots__ = ("_root", "_size")

    def __init__(self, entries: Mapping[str, _V] | None = None) -> None:
        self._root: _Node = _put_all({}, dict(entries), 0) if entries else {}
        self._size = len(entries or ())

    def put(self, key: str, value: _V) -> "PersistentMap[_V]":
        """Return a map in which `key` has `value`."""
        root = self._root
        if type(root) is dict and len(root) < _LEAF:
            leaf = {**root, key: value}
            return self._with(leaf, len(leaf))
        if type(root) is tuple:
            at = hash(key) & _MASK
            below = root[at]
            if type(below) is dict and len(below) < _LEAF:
                # Most maps that are not tiny are of this depth.
                leaf = {**below, key: value}
                branch = [*root]
                branch[at] = leaf
                return self._with(tuple(branch), self._size + len(leaf) - len(below))
        return self._with(_put(self._root, key, value, 0), self._size + (key not in self))

    def put_all(self, keys: Iterable[str], value: _V) -> "PersistentMap[_V]":
        """Return a map in which all of `keys` have `value`; quicker than one after the other."""
        entries = dict.fromkeys(keys, value)
        added = sum(key not in self for key in entries)
        return self._with(_put_all(self._root, entries, 0), self._size + added)

    def drop(self, key: str) -> "PersistentMap[_V]":
        """Return a map without `key`; the same map when it has none."""
        root = self._root
        if type(root) is dict:
            if key not in root:
                return self
            leaf = root.copy()
            del leaf[key]
            return self._with(leaf, len(leaf))
        if key not in self:
            return self
        return self._with(_drop(self._root, key, 0), self._size - 1)

    def _with(self, root: _Node, size: int) -> "PersistentMap[_V]":
        new: PersistentMap[_V] = object.__new__(type(self))
        new._root, new._size = root, size
        return new

    def _leaf(self, key: object) -> dict[str, Any]:
        node, bits = self._root, hash(key)
        while isinstance(node, tuple):
            node, bits = node[bits & _MASK], bits >> _BITS
        return node

    def __getitem__(self, key: str) -> _V:
        return cast("_V", self._leaf(key)[key])

    def __contains__(self, key: object) -> bool:
        # As `_leaf` goes, without another call: every new message asks three maps for its id.
        node = self._root
        if type(node) is tuple:
            bits = hash(key)
            while type(node) is tuple:
                node, bits = node[bits & _MASK], bits >> _BITS
        return key in node

    @overload
    def get(self, key: str, /) -> _V | None: ...

    @overload
    def get(self, key: str, /, default: _V | _D) -> _V | _D: ...

    def get(self, key: str, /, default: Any = None) -> Any:
        """Return the value of a key, or what is there instead of one."""
        return self._leaf(key).get(key, default)

    def items(self) -> ItemsView[str, _V]:
        """Return keys and values; a copy, which is quicker than to look each key up."""
        return self._copy().items()

    def values(self) -> ValuesView[_V]:
        """Return the values; a copy, which is quicker than to look each key up."""
        return self._copy().values()

    def _copy(self) -> dict[str, _V]:
        copy: dict[str, _V] = {}
        _gather(self._root, copy)
        return copy

    def __iter__(self) -> Iterator[str]:
        return _keys(self._root)

    def __len__(self) -> int:
        return self._size

    def __repr__(self) -> str:
        return f"PersistentMap({dict(self)!r})"


def _slot(key: str, level: int) -> int:
    return hash(key) >> (_BITS * level) & _MASK


def _put(node: _Node, key: str, value: Any, level: int) -> _Node:
    if isinstance(node, tuple):
        at = _slot(key, level)
        return (*node[:at], _put(node[at], key, value, level + 1), *node[at + 1 :])
    leaf = {**node, key: value}
    # Below the deepest level two hashes are equal in every bit and stay in one leaf.
    return leaf if len(leaf) <= _LEAF or level > _DEEPEST else _split(leaf, level)


def _put_all(node: _Node, entries: dict[str, Any], level: int) -> _Node:
    if isinstance(node, tuple):
        by_slot: dict[int, dict[str, Any]] = {}
        for key, value in entries.items():
            by_slot.setdefault(_slot(key, level), {})[key] = value
        children = list(node)
        for at, some in by_slot.items():
            children[at] = _put_all(children[at], some, level + 1)
        return tuple(children)
    leaf = {**node, **entries}
    if len(leaf) <= _LEAF or level > _DEEPEST:
        return leaf
    return tuple(_put_all({}, part, level + 1) for part in _parts(leaf, level))


def _split(leaf: dict[str, Any], level: int) -> _Node:
    return tuple(_parts(leaf, level))


def _parts(leaf: dict[str, Any], level: int) -> list[dict[str, Any]]:
    branch: list[dict[str, Any]] = [{} for _ in range(_MASK + 1)]
    shift = _BITS * level
    for key, value in leaf.items():
        branch[hash(key) >> shift & _MASK][key] = value
    return branch


def _drop(node: _Node, key: str, level: int) -> _Node:
    if isinstance(node, tuple):
        at = _slot(key, level)
        return (*node[:at], _drop(node[at], key, level + 1), *node[at + 1 :])
    leaf = node.copy()
    del leaf[key]
    return leaf


def _gather(node: _Node, into: dict[str, Any]) -> None:
    if isinstance(node, dict):
        into.update(node)
    else:
        for child in node:
            _gather(child, into)


def _keys(node: _Node) -> Iterator[str]:
    if isinstance(node, dict):
        yield from node
    else:
        for child in node:
            yield from _keys(child)
