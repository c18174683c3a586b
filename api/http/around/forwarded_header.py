"""The header `Forwarded` (RFC 7239), as far as it says by which name clients see this server."""

import re
from collections.abc import Mapping

MOST_BYTES = 4096
"""A longer header is none: what proxies say of one request takes a few hundred bytes."""

_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED = r'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*"'
_PAIR = rf"({_WORD})=({_WORD}|{_QUOTED})"
_ELEMENT = re.compile(rf"(?:{_PAIR})?(?:[ \t]*;[ \t]*(?:{_PAIR})?)*")
_NEXT = re.compile(r"[ \t]*,[ \t]*")
_ONE_PAIR = re.compile(_PAIR)
_ESCAPED = re.compile(r"\\(.)")
_NODE = re.compile(
    r"(?:unknown|_[A-Za-z0-9._-]+|\d{1,3}(?:\.\d{1,3}){3}|\[[0-9A-Fa-f:.]+\])(?::(?:\d{1,5}|_[A-Za-z0-9._-]+))?",
    re.IGNORECASE,
)


def nearest_forwarded(value: str) -> Mapping[str, str] | None:
    """Return what the nearest proxy has said: those before it may be anybody.

    Args:
        value: Of the header; several of them are joined by commas.

    Returns:
        The parameters of the last element, their names in lower case and their values without
        quotes. None when the header cannot be read as a whole, names a parameter of an element
        twice, or has a `for` or a `by` that is no node: of such a header nothing is believed.
    """
    text = value.strip()
    if not text or len(text) > MOST_BYTES:
        return None
    at, last = 0, ""
    while True:
        element = _ELEMENT.match(text, at)
        if element is None:
            return None
        last = element[0] or last
        at = element.end()
        if at == len(text):
            break
        comma = _NEXT.match(text, at)
        if comma is None:
            return None
        at = comma.end()
    return _parameters(last)


def _parameters(element: str) -> Mapping[str, str] | None:
    found: dict[str, str] = {}
    for name, value in _ONE_PAIR.findall(element):
        key = name.lower()
        if key in found:
            return None
        found[key] = _ESCAPED.sub(r"\1", value[1:-1]) if value.startswith('"') else value
    nodes = (found[key] for key in ("for", "by") if key in found)
    return found if all(_NODE.fullmatch(node) for node in nodes) else None
