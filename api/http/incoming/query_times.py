"""Times and durations in a query."""

import re
from datetime import UTC, datetime

from api.http.incoming.query_values import BadValue, Value, is_number, whole_number

MAX_WAIT = 60.0
_WAIT = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)(ms|s|m)?", re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0}
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_A_TIME = "an RFC 3339 time such as 2026-01-31T12:00:00Z"
_FIRST = datetime(1, 1, 1, tzinfo=UTC)
_LAST = datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC)


def moment() -> Value:
    """A time in RFC 3339."""
    return Value(_moment, {"type": "string", "format": "date-time"})


def sequence_or_moment() -> Value:
    """A sequence, from 1, or a time in RFC 3339."""
    number, time = whole_number(1), moment()

    def read(given: str) -> int | datetime:
        if is_number(given):
            sequence: int = number.read(given)
            return sequence
        try:
            return _moment(given)
        except BadValue:
            raise BadValue(f"it must be a sequence such as 7, or {_A_TIME}") from None

    return Value(read, {"anyOf": [number.schema, time.schema]})


def duration() -> Value:
    """How long to wait, in seconds: `30`, `30s`, `500ms` or `1m`, at most a minute."""

    def read(given: str) -> float:
        match = _WAIT.fullmatch(given)
        if not match:
            raise BadValue("it must be a time such as 30s, 500ms or 1m")
        seconds = float(match[1]) * _SECONDS[match[2] or "s"]
        if seconds > MAX_WAIT:
            raise BadValue(f"it must be at most {MAX_WAIT:.0f}s")
        return seconds

    pattern = r"^([1-5]?[0-9](\.[0-9]{1,3})?s?|60s?|[0-9]{1,4}ms|1m)$"
    return Value(read, {"type": "string", "pattern": pattern})


def _moment(given: str) -> datetime:
    try:
        if not _RFC3339.fullmatch(given):
            raise ValueError
        found = datetime.fromisoformat(given.upper())
    except ValueError:
        raise BadValue(f"it must be {_A_TIME}") from None
    try:
        return found.astimezone(UTC)
    except OverflowError:
        # In the first or the last hours that there are: nothing is beyond them.
        return _FIRST if found.year == 1 else _LAST
