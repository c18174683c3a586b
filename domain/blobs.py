"""Names of blobs: bytes that are kept beside the log, and named by their SHA-256."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, NamedTuple, cast

from domain.values import Part

BLOB_PATTERN = r"^sha256:[0-9a-f]{64}$"
CONTENT_TYPES = ("image", "file")
"""The types of parts whose blob must be there."""

_NAME = re.compile(r"sha256:([0-9a-f]{64})")
_SAID = ("parts", "output")
_NESTED = ("inputs", "messages", "event", "events", "foreign", "means")


@dataclass(frozen=True, slots=True)
class NamedBlobs:
    """The blobs that something names.

    Args:
        required: By parts of type image or file: they must be there.
        others: By parts of other types, and in what tools returned, where the word may mean
            something else: they are kept if they are there.
    """

    required: frozenset[str] = field(default_factory=frozenset[str])
    others: frozenset[str] = field(default_factory=frozenset[str])

    @property
    def all(self) -> frozenset[str]:
        """Both."""
        return self.required | self.others


NONE_NAMED = NamedBlobs()


def blob_name(digest: bytes) -> str:
    """Return the name of the blob with a SHA-256.

    Args:
        digest: 32 bytes.
    """
    return f"sha256:{digest.hex()}"


def digest_of_blob(name: str) -> bytes | None:
    """Return the SHA-256 that a name has, 32 bytes; None when it is no name of a blob.

    Args:
        name: As a part has it.
    """
    found = _NAME.fullmatch(name)
    return found and bytes.fromhex(found[1])


def named_blobs(said: object) -> NamedBlobs:
    """Return the blobs that a command or an event names.

    They are named by `blob` in a part: of a message, of input, or of what a tool returned, where
    that is a list of parts, or an object whose `content` is one, as MCP servers answer.

    Args:
        said: The command or the event.
    """
    named: list[tuple[str, bool]] = []
    _look_into(said, named)
    if not named:
        return NONE_NAMED
    required = frozenset(name for name, must in named if must)
    return NamedBlobs(required, frozenset(name for name, _ in named) - required)


def _look_into(said: object, named: list[tuple[str, bool]]) -> None:
    """Collect what is named, and of each whether it must be there."""
    places = _PLACES.get(type(said)) or _places_of(type(said))
    for name in places.said:
        _look_at(getattr(said, name), named, is_said=name == "parts")
    for name in places.nested:
        within: object = getattr(said, name)
        several = isinstance(within, tuple)
        for one in cast("tuple[object, ...]", within) if several else (within,):
            _look_into(one, named)


def _look_at(
    content: object, named: list[tuple[str, bool]], *, is_said: bool, is_returned: bool = False
) -> None:
    """Collect what parts name, and what is in the results of tools among them.

    Args:
        content: Parts, or an object whose `content` they are, or anything else.
        named: Gets the names.
        is_said: Whether the parts are those of a message.
        is_returned: Whether they are what such a result has: results in it are not looked into.
    """
    # Every append comes by here: the kinds of JSON, and no question to an abstract class.
    if isinstance(content, dict):
        content = cast("dict[str, Any]", content).get("content")
    if not isinstance(content, list | tuple):
        return
    for part in cast("Sequence[Part]", content):
        if not isinstance(part, dict):
            continue
        if "blob" in part:
            _note(part, named, is_said=is_said)
        if not is_returned and part.get("type") == "tool_result":
            _look_at(part.get("output"), named, is_said=False, is_returned=True)


def _note(part: Part, named: list[tuple[str, bool]], *, is_said: bool) -> None:
    name = part["blob"]
    if isinstance(name, str) and _NAME.fullmatch(name):
        alone = part.get("url") is None and part.get("data") is None
        named.append((name, is_said and alone and part.get("type") in CONTENT_TYPES))


class _Places(NamedTuple):
    """The fields of a class that have parts, and those that have what has parts."""

    said: tuple[str, ...]
    nested: tuple[str, ...]


_PLACES: dict[type[object], _Places] = {}


def _places_of(kind: type[object]) -> _Places:
    there = {one.name for one in fields(kind)} if is_dataclass(kind) else set[str]()
    found = _PLACES[kind] = _Places(
        tuple(name for name in _SAID if name in there),
        tuple(name for name in _NESTED if name in there),
    )
    return found
