"""JSON texts of clients: decoded, or refused with what is wrong and at which byte."""

import re
from collections.abc import Iterable
from typing import Any, cast

import msgspec

from api.http.problems import Problem

MAX_DEPTH = 100

_BYTE = re.compile(r"^(?:JSON is malformed: )?(.*) \(byte (\d+)\)$")
_ENCODING_MARKS = (
    (b"\xef\xbb\xbf", "the body begins with a byte order mark; send UTF-8 without one"),
    (b"\xff\xfe", "the body is UTF-16 or UTF-32; send UTF-8"),
    (b"\xfe\xff", "the body is UTF-16 or UTF-32; send UTF-8"),
    (b"\x00\x00\xfe\xff", "the body is UTF-16 or UTF-32; send UTF-8"),
    (b"\x1f\x8b", "the body is compressed; send it as it is"),
)
_NO_NUMBER = re.compile(rb"-?(?:NaN|Infinity|nan|inf)")
_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(?P<lone>\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\."
)
_OTHER_LITERALS: tuple[tuple[bytes, str], ...] = (
    (b"'", "a string is between double quotes"),
    (b"undefined", "JSON has no undefined; leave the field out, or send null"),
    (b"None", "JSON says null"),
    (b"True", "JSON says true"),
    (b"False", "JSON says false"),
    (b"/", "JSON has no comments"),
)
_FIRST_PRINTABLE = 0x20


def decode(raw: bytes) -> Any:
    """Return the value of a JSON text.

    Args:
        raw: The bytes that came.

    Raises:
        Problem: 400, it is no JSON, or nested deeper than the log takes.
    """
    try:
        value = msgspec.json.decode(raw)
    except RecursionError:
        raise _too_deep() from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        detail = f"the body is not valid JSON: {_fault(raw, error)}"
        raise Problem("malformed_json", detail) from None
    # So few brackets cannot be too deep; counting them is cheaper than walking.
    if raw.count(b"[") + raw.count(b"{") > MAX_DEPTH and _deeper_than(value, MAX_DEPTH):
        raise _too_deep()
    return value


def _too_deep() -> Problem:
    return Problem("malformed_json", f"the JSON is nested deeper than {MAX_DEPTH} levels")


def _deeper_than(value: Any, most: int) -> bool:
    level: list[Any] = [value] if isinstance(value, dict | list) else []
    for _ in range(most):
        level = [child for parent in level for child in _nested(parent)]
        if not level:
            return False
    return True


def _nested(value: Any) -> Iterable[Any]:
    """Return the arrays and objects directly in an array or object."""
    mapping = isinstance(value, dict)
    children = cast("dict[str, Any]", value).values() if mapping else cast("list[Any]", value)
    return [child for child in children if isinstance(child, dict | list)]


def _fault(raw: bytes, error: Exception) -> str:
    """Return what is wrong with a text that is no JSON, and where."""
    for mark, said in _ENCODING_MARKS:
        if raw.startswith(mark):
            return said
    try:
        raw.decode()
    except UnicodeDecodeError as wrong:
        return f"byte {wrong.start} (0x{raw[wrong.start]:02x}) is not UTF-8"
    named = _BYTE.match(str(error))
    lone = next((one.start() for one in _ESCAPE.finditer(raw) if one["lone"]), None)
    if lone is not None and (named is None or lone <= int(named[2])):
        escape = raw[lone : lone + 6].decode()
        return f"{escape} at byte {lone} is half of a surrogate pair, which no text has"
    if named is None:
        said = str(error)
        if said == "Input data was truncated":
            return f"it ends too early, at byte {len(raw)}"
        return said[:1].lower() + said[1:]
    what, at = named[1], int(named[2])
    if what == "trailing characters":
        at -= 1  # the decoder has read the first of them
    return _fault_at(raw, at) or f"{what} at byte {at}"


def _fault_at(raw: bytes, at: int) -> str | None:
    """Return what a person would say of the bytes at a place; None when there is nothing to add."""
    # The decoder stops behind the sign.
    start = at - 1 if raw[at - 1 : at] == b"-" else at
    number = _NO_NUMBER.match(raw, start)
    if number:
        return f"{number[0].decode()} at byte {start} is no number that JSON has"
    for word, said in _OTHER_LITERALS:
        if raw.startswith(word, at):
            return f"{word.decode()} at byte {at}: {said}"
    if at < len(raw) and raw[at] < _FIRST_PRINTABLE:
        return f"the control character 0x{raw[at]:02x} at byte {at} is not escaped"
    return None
