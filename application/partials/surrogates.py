"""Halves of characters: programs that count in UTF-16 cut their text between any two units."""

import re

_HALF = re.compile("[\ud800-\udfff]")
_HIGH = re.compile("[\ud800-\udbff]$")
_LOW = re.compile("^[\udc00-\udfff]")


def has_half(text: str) -> bool:
    """Return whether a text has half of a surrogate pair."""
    return not text.isascii() and _HALF.search(text) is not None


def joined(before: str, text: str) -> tuple[str, str]:
    """Return a text with the half that waited for it, and the half that waits then.

    Args:
        before: The high half of a pair, or nothing.
        text: What follows; its last unit may be a high half again.

    Returns:
        The text without that half, and that half or nothing.
    """
    if not before and not has_half(text):
        return text, ""
    whole = _text(_units(before + text))
    return (whole[:-1], whole[-1]) if _HIGH.search(whole) else (whole, "")


def rest_of(text: str, there: str, half: str) -> str | None:
    """Return what a text has beyond what is there already.

    Args:
        text: Its first unit may be the low half of the first character that is there.
        there: What is there.
        half: The high half that waits behind it, or nothing.

    Returns:
        What comes behind `there`, so from the half that waits; nothing when all of it is there;
        None when the two differ.
    """
    if there.startswith(text):
        return ""
    if not half and text.startswith(there):
        return text[len(there) :]
    given, whole = _units(text), _units(there)
    known = whole + _units(half)
    if _LOW.match(text):
        given = known[:2] + given
    if known.startswith(given):
        return ""
    return _text(given[len(whole) :]) if given.startswith(known) else None


def _units(text: str) -> bytes:
    return text.encode("utf-16-le", "surrogatepass")


def _text(units: bytes) -> str:
    return units.decode("utf-16-le", "surrogatepass")
