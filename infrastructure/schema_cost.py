"""How much a JSON Schema may have to check at one place of a value, before anything is checked."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeGuard
from urllib.parse import unquote

MAX_COST = 20_000
MAX_SUBSCHEMAS = 2_000
MAX_PATTERNS = 50
MAX_VALUE_DEPTH = 32

_MAX_CHAIN = 64
_IN_PLACE = (
    f"the schema refers to itself, or over more than {_MAX_CHAIN} steps to another part, without "
    "going down into the value"
)
_PATTERN_COST = 200
_FORMAT_COST = 10
# What is "unevaluated" is found by asking the subschemas again; measured: 2.6 times as often.
_ASKED_AGAIN = 3

DRAFTS: Mapping[str, str] = {
    "https://json-schema.org/draft/2020-12/schema": "2020-12",
    "https://json-schema.org/draft/2019-09/schema": "2019-09",
    "http://json-schema.org/draft-07/schema": "07",
}

_HERE = frozenset(
    ("allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas", "dependencies")
)
"""Whose schemas are for the same place of the value."""
_BY_NAME = frozenset(("properties", "prefixItems"))
"""Whose schemas are for different places, one level down."""
_BELOW = frozenset(
    (
        "items",
        "additionalItems",
        "unevaluatedItems",
        "contains",
        "additionalProperties",
        "unevaluatedProperties",
        "patternProperties",
        "propertyNames",
        "contentSchema",
    )
)
"""Whose schemas may all be for the same place, one level down."""
_KEPT = frozenset(("$defs", "definitions"))
_MAPS = frozenset(
    ("dependentSchemas", "dependencies", "properties", "patternProperties", "$defs", "definitions")
)
_SCHEMAS = _HERE | _BY_NAME | _BELOW | _KEPT


class Refused(Exception):
    """It is not looked at any further.

    Args:
        *problems: Why, one sentence each.
    """

    def __init__(self, *problems: str) -> None:
        self.problems = problems
        super().__init__(*problems)


class _Node:
    """A subschema: its own cost, and the subschemas that it asks."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self.schema = schema
        self.own = 1
        self.factor = 1
        self.here: list[_Node] = []
        self.by_name: list[_Node] = []
        self.below: list[_Node] = []
        self.height = 0


def cost_of(schema: dict[str, Any]) -> int:
    """Return the most that is checked at one place of a value nested at most 32 deep.

    Args:
        schema: Valid for its meta-schema.

    Raises:
        Refused: That is too much, it refers to something outside of it, or to itself without
            going down into the value.
    """
    nodes = _Graph(schema).nodes
    for node in nodes:
        if _height(node, 1) > _MAX_CHAIN:
            raise Refused(_IN_PLACE)
    upwards = sorted(nodes, key=lambda node: node.height)
    # `before[node]` is what `node` asks at places `level` below the one that it is asked about.
    before: dict[_Node, int] = {}
    most = 0
    for level in range(MAX_VALUE_DEPTH + 1):
        now: dict[_Node, int] = {}
        for node in upwards:
            asked = sum(now[one] for one in node.here)
            if level == 0:
                asked += node.own
            else:
                asked += max((before[one] for one in node.by_name), default=0)
                asked += sum(before[one] for one in node.below)
            now[node] = min(node.factor * asked, MAX_COST + 1)
        most = max(most, now[nodes[0]])
        if most > MAX_COST:
            raise Refused("the schema has too much to check at one place of a value")
        if not any(now.values()):
            break
        before = now
    return most


def _height(node: _Node, chain: int) -> int:
    if chain > _MAX_CHAIN:
        raise Refused(_IN_PLACE)
    if not node.height:
        node.height = 1 + max((_height(one, chain + 1) for one in node.here), default=0)
    return node.height


class _Graph:
    """All subschemas, each once, the whole schema first."""

    def __init__(self, root: dict[str, Any]) -> None:
        self._root = root
        self._known: dict[int, _Node] = {}
        self._unread: list[_Node] = []
        self._anchors = list(_anchors(root))
        self._patterns = 0
        self._node(root)
        while self._unread:
            self._read(self._unread.pop())
        self.nodes = list(self._known.values())

    def _node(self, schema: Any) -> list[_Node]:
        if not is_object(schema):
            return []
        # The schema lives as long as this graph, so that an id stands for one object.
        known = self._known.get(id(schema))
        if known is None:
            if len(self._known) >= MAX_SUBSCHEMAS:
                raise Refused(f"the schema has more than {MAX_SUBSCHEMAS} subschemas")
            known = self._known[id(schema)] = _Node(schema)
            self._unread.append(known)
        return [known]

    def _read(self, node: _Node) -> None:
        schema = node.schema
        if schema is not self._root:
            _require_unnamed(schema)
        for keyword, value in schema.items():
            if keyword in _SCHEMAS:
                self._read_schemas(node, keyword, value)
            elif keyword == "$ref":
                node.here += self._node(self._referred(value))
            elif keyword in ("$dynamicRef", "$recursiveRef"):
                raise Refused(f"{keyword} is not supported; use $ref")
            else:
                node.own += count(value)
            if keyword.startswith("unevaluated"):
                node.factor = _ASKED_AGAIN
            elif keyword == "pattern":
                self._add_patterns(node, 1)
            elif keyword == "format":
                node.own += _FORMAT_COST

    def _read_schemas(self, node: _Node, keyword: str, value: Any) -> None:
        if is_array(value):
            inner = value
        elif keyword in _MAPS and is_object(value):
            inner = list(value.values())
        else:
            inner = [value]
        node.own += len(inner)
        if keyword == "patternProperties":
            self._add_patterns(node, len(inner))
        if keyword == "dependencies":
            node.own += count(value)
        nodes = [found for one in inner for found in self._node(one)]
        if keyword in _HERE:
            node.here += nodes
        elif keyword in _BY_NAME:
            node.by_name += nodes
        elif keyword in _BELOW:
            node.below += nodes

    def _add_patterns(self, node: _Node, many: int) -> None:
        self._patterns += many
        node.own += many * _PATTERN_COST
        if self._patterns > MAX_PATTERNS:
            raise Refused(f"the schema has more than {MAX_PATTERNS} patterns")

    def _referred(self, reference: Any) -> Any:
        if not isinstance(reference, str) or not reference.startswith("#"):
            raise Refused("a $ref must begin with #: nothing outside of the schema is looked up")
        fragment = unquote(reference[1:])
        if fragment and not fragment.startswith("/"):
            named = [schema for name, schema in self._anchors if name == fragment]
            if len(named) != 1:
                raise Refused("a $ref refers to an anchor that the schema does not have, or twice")
            return named[0]
        at: Any = self._root
        for step in fragment.split("/")[1:]:
            at = _step(at, step.replace("~1", "/").replace("~0", "~"))
            if is_object(at):
                _require_unnamed(at)
        return at


def _step(at: Any, key: str) -> Any:
    if is_object(at) and key in at:
        return at[key]
    if is_array(at) and key.isdecimal() and key.isascii():
        place = int(key[:6])
        if place < len(at):
            return at[place]
    raise Refused("a $ref refers to a place that the schema does not have")


def _require_unnamed(schema: dict[str, Any]) -> None:
    for keyword in ("$id", "$schema"):
        if isinstance(schema.get(keyword), str):
            raise Refused(f"{keyword} is allowed at the top of a schema only")


def _anchors(schema: Any) -> Iterator[tuple[str, Any]]:
    for one in walk(schema):
        if is_object(one):
            for keyword in ("$anchor", "$dynamicAnchor"):
                if isinstance(one.get(keyword), str):
                    yield one[keyword], one


def is_object(value: Any) -> TypeGuard[dict[str, Any]]:
    """Return whether a JSON value is an object."""
    return isinstance(value, dict)


def is_array(value: Any) -> TypeGuard[list[Any]]:
    """Return whether a JSON value is an array."""
    return isinstance(value, list)


def walk(value: Any) -> Iterator[Any]:
    """Give a JSON value and all values in it."""
    unread = [value]
    while unread:
        one = unread.pop()
        yield one
        unread += _inside(one)


def count(value: Any) -> int:
    """Return how many values a JSON value is made of, itself included."""
    return sum(1 for _ in walk(value))


def depth(value: Any) -> int:
    """Return how deep a JSON value is nested; a string or an empty array is 1 deep."""
    deepest, level = 0, [value]
    while level:
        deepest += 1
        level = [inner for one in level for inner in _inside(one)]
    return deepest


def _inside(value: Any) -> Iterable[Any]:
    if is_object(value):
        return value.values()
    return value if is_array(value) else ()
