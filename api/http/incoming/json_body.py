"""JSON texts of clients: decoded, or refused with what is wrong and at which byte."""

import json
import re
import sys
from collections.abc import Mapping
from math import isinf
from typing import Any

import msgspec

from api.http.outgoing.problems import Problem

MAX_DEPTH = 100

_BYTE = re.compile(r"^(?:JSON is malformed: )?(.*) \(byte (\d+)\)$")
_ENCODING_MARKS = (
    (b"\xef\xbb\xbf", "it begins with a byte order mark; send UTF-8 without one"),
    (b"\xff\xfe", "it is UTF-16 or UTF-32; send UTF-8"),
    (b"\xfe\xff", "it is UTF-16 or UTF-32; send UTF-8"),
    (b"\x00\x00\xfe\xff", "it is UTF-16 or UTF-32; send UTF-8"),
    (b"\x1f\x8b", "it is gzip; send it unpacked"),
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
_SHOWN_OF_NUMBER = 20
_NUMBER = re.compile(
    rb'"(?:[^"\\]|\\.)*+"|(?P<number>-?[0-9]++(?:\.[0-9]++)?+(?:[eE][+-]?[0-9]++)?+)', re.DOTALL
)
_CHARSETS = ("utf-8", "utf8", "us-ascii")
_LARGEST = int(sys.float_info.max)
_END_OF_NAME = re.compile(rb'"[ \t\r\n]*:')
_ESCAPED_END = re.compile(rb'\\"[ \t\r\n]*:')
_SMALL_EXPONENT = re.compile(rb"[eE]-\d{3}")
_MANY_ZEROS = b"0" * 200


def require_plain_json(headers: Mapping[bytes, bytes]) -> None:
    """Refuse a body that does not say it is JSON in UTF-8, as it is.

    Args:
        headers: Of the request, by their names in lower case.

    Raises:
        Problem: 415, with what to send.
    """
    content_type, encoding = headers.get(b"content-type"), headers.get(b"content-encoding")
    if content_type == b"application/json" and encoding is None:
        return  # as nearly every request
    media_type, *parameters = (content_type or b"").decode("latin-1").lower().split(";")
    if media_type.strip() != "application/json" and not media_type.strip().endswith("+json"):
        # Also what keeps a web page from sending commands to a server on its reader's machine.
        raise Problem(
            "unsupported_media_type",
            "send JSON with the header `Content-Type: application/json`",
        )
    for name, _, value in (parameter.partition("=") for parameter in parameters):
        charset = value.strip().strip('"')
        if name.strip() == "charset" and charset not in _CHARSETS:
            raise Problem(
                "unsupported_media_type", f"the charset {charset[:50]!r} is not taken; send UTF-8"
            )
    coding = (encoding or b"identity").decode("latin-1").strip().lower()
    if coding != "identity":
        raise Problem("unsupported_media_type", f"the body is {coding[:50]}; send it unpacked")


def decode(raw: bytes) -> Any:
    """Return the value of a JSON text.

    Args:
        raw: The bytes that came.

    Raises:
        Problem: 400, it is no JSON, is nested deeper than the log takes, or says what readers would
            understand in different ways.
    """
    try:
        value = msgspec.json.decode(raw)
    except RecursionError:
        raise _malformed(_TOO_DEEP) from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _malformed(f"the body is not valid JSON: {_fault(raw, error)}") from None
    _require_one_meaning(value, raw)
    return value


def decode_leniently(raw: bytes) -> Any:
    """Return the value of a JSON text by the decoder of Python, which takes halves of pairs.

    Args:
        raw: The bytes that came.

    Raises:
        ValueError: It is no JSON, has a name twice, or a number that a double cannot be near to.
    """
    return json.loads(raw, object_pairs_hook=_object, parse_float=_float)


_TOO_DEEP = f"the JSON is nested deeper than {MAX_DEPTH} levels"


def _malformed(detail: str) -> Problem:
    return Problem("malformed_json", detail)


def _require_one_meaning(value: Any, raw: bytes) -> None:
    """Refuse what readers of JSON do not understand alike: RFC 7493 (I-JSON), sections 2.2 and 2.3.

    A walk over the values says what the text may hide; only then it is looked at.

    Args:
        value: As it was decoded.
        raw: The text.

    Raises:
        Problem: 400, it is too deep, a name stands twice in an object, or a number is beyond the
            range of a double or nearer to zero than it.
    """
    names, has_zero, depth = 0, False, 0
    level: list[Any] = [value]
    while level:
        below: list[Any] = []
        for one in level:
            kind = one.__class__  # the decoder makes no others
            if kind is str:
                continue
            if kind is dict:
                names += len(one)
                below += one.values()
            elif kind is list:
                below += one
            elif kind is int:
                if not -_LARGEST <= one <= _LARGEST:
                    raise _malformed(_too_large_number(raw))
            elif kind is float and not one:
                has_zero = True
        if depth == MAX_DEPTH and any(isinstance(one, dict | list) for one in level):
            raise _malformed(_TOO_DEEP)
        level, depth = below, depth + 1
    if (raw.count(b":") > names and _may_have_more_names(raw, names)) or (
        has_zero and (_MANY_ZEROS in raw or _SMALL_EXPONENT.search(raw))
    ):
        try:
            decode_leniently(raw)
        except ValueError as wrong:
            raise _malformed(str(wrong)) from None


def _may_have_more_names(raw: bytes, names: int) -> bool:
    ends = len(_END_OF_NAME.findall(raw))
    if ends > names and b'\\\\"' not in raw:
        # An escaped quote ends no name, unless what escapes it is escaped itself.
        ends -= len(_ESCAPED_END.findall(raw))
    return ends > names


def _is_tiny(number: bytes) -> bool:
    """Return whether a number is not zero, and becomes it as a double."""
    return bool(number.lower().partition(b"e")[0].strip(b"-0.")) and not float(number)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in made if names.count(name) > 1)
        raise ValueError(f"the name {twice[:100]!r} stands twice in one object")
    return made


def _float(number: str) -> float:
    if _is_tiny(number.encode()):
        raise ValueError(f"{number[:40]} is nearer to zero than a double can be")
    return float(number)


def _too_large_number(raw: bytes) -> str:
    """Return which number of a text is beyond what a double can hold, and where."""
    numbers = (one for one in _NUMBER.finditer(raw) if one["number"])
    found = next((one for one in numbers if isinf(float(one["number"]))), None)
    if found is None:
        return "a number is beyond the range of a double"
    number = found["number"].decode()
    shown = number if len(number) <= _SHOWN_OF_NUMBER else f"{number[:_SHOWN_OF_NUMBER]}..."
    return f"{shown} at byte {found.start()} is beyond the range of a double"


def _fault(raw: bytes, error: Exception) -> str:
    """Return what is wrong with a text that is no JSON, and where."""
    for mark, said in _ENCODING_MARKS:
        if raw.startswith(mark):
            return said
    if 0 in raw[:2]:
        return "it is UTF-16 or UTF-32; send UTF-8"
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
        if "out of range" in said:
            return _too_large_number(raw)
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
