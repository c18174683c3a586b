"""Values as other systems wrote them: their JSON, their times, their names, within bounds."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from math import isfinite
from typing import Any, cast

import msgspec

from application.transfer.foreign import Tally
from domain.values import MAX_ID, MAX_NAME, MAX_TITLE
from infrastructure.importers.choices import Choices

LARGEST_ITEM = 8 * 1024 * 1024
"""The most bytes of one item of a source: what becomes of it must fit into a line of an export."""

decoded_fast = msgspec.json.Decoder().decode
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_UNSEEN = re.compile(r"[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_CONTROL_BUT_LINES = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)
"""Of what a source gives no time at all."""


class Unreadable(Exception):
    """One item of a source cannot be read; the message says why."""


def decoded(raw: bytes | str, tally: Tally) -> Any:
    """Return the value of a JSON text, so that it can be written as JSON again.

    Half of a surrogate pair becomes U+FFFD, and what is no number elsewhere becomes its text.

    Args:
        raw: The text.
        tally: Where it is counted that something had to be changed.

    Raises:
        Unreadable: It is no JSON, or too large.
    """
    if len(raw) > LARGEST_ITEM:
        raise Unreadable(f"it is larger than {LARGEST_ITEM} bytes")
    try:
        return decoded_fast(raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        pass
    try:
        text = raw.decode() if isinstance(raw, bytes) else raw
    except UnicodeDecodeError:
        text = cast("bytes", raw).decode("utf-8", "replace")
        tally.notes["invalid_utf8"] += 1
    try:
        value = json.loads(text, parse_constant=str, parse_float=finite)
        return _Cleaner(tally).clean(value)
    except json.JSONDecodeError as error:
        raise Unreadable(f"it is not JSON: {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise Unreadable("it is nested too deeply") from None
    except ValueError:
        raise Unreadable("it has a number that no program can hold") from None


def clean(value: Any, tally: Tally) -> Any:
    """Return a value that did not come from JSON, so that it can be written as JSON.

    Args:
        value: Of the types that JSON has.
        tally: Where changes are counted.

    Raises:
        Unreadable: It is nested too deeply.
    """
    try:
        return _Cleaner(tally).clean(value)
    except RecursionError:
        raise Unreadable("it is nested too deeply") from None


def finite(text: str) -> float | str:
    """Return a number of a JSON text; its text where no number elsewhere is so large."""
    number = float(text)
    return number if isfinite(number) else text


class _Cleaner:
    """Makes of what Python can hold what JSON in UTF-8 can hold."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def clean(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, dict):
            told = cast("dict[Any, Any]", value)  # type: ignore[redundant-cast]
            return {self._text(str(key)): self.clean(item) for key, item in told.items()}
        if isinstance(value, list | tuple):
            return [self.clean(item) for item in cast("list[Any]", value)]
        if isinstance(value, float) and not isfinite(value):
            return str(value)
        return value

    def _text(self, text: str) -> str:
        try:
            text.encode()
        except UnicodeEncodeError:
            self._tally.notes["lone_surrogate"] += 1
            return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return text


def object_of(value: Any) -> Mapping[str, Any]:
    """Return an object; an empty one for what is none."""
    return value if isinstance(value, dict) else {}  # pyright: ignore[reportUnknownVariableType]


def list_of(value: Any) -> list[Any]:
    """Return a list; an empty one for what is none."""
    return value if isinstance(value, list) else []  # pyright: ignore[reportUnknownVariableType]


def text_of(value: Any) -> str | None:
    """Return a text that is not blank; None for anything else."""
    return value if isinstance(value, str) and value.strip() else None


def count_of(value: Any) -> int | None:
    """Return a number of tokens; None for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 <= value < 2**53 else None


def name_of(value: Any, otherwise: str) -> str:
    """Return a name as lists can hold it.

    Args:
        value: What the source has.
        otherwise: Taken when that is no text.
    """
    text = text_of(value)
    if text is None:
        return otherwise
    if _is_plain(text) and len(text) <= MAX_NAME:
        return text.strip()
    return _UNSEEN.sub("", _CONTROL.sub(" ", text)).strip()[:MAX_NAME] or otherwise


def id_of(value: Any) -> str | None:
    """Return an id as the log can hold it; None for what is none."""
    text = text_of(value)
    if text is None or (_is_plain(text) and len(text) <= MAX_ID):
        return text
    return _CONTROL.sub("�", text.encode()[:MAX_ID].decode("utf-8", "ignore"))


def _is_plain(text: str) -> bool:
    """Return whether a text has only what every name and id may have, as nearly all have."""
    return text.isascii() and text.isprintable()


def title_of(value: Any) -> str | None:
    """Return a title as lists can show it; None for what is none."""
    text = text_of(value)
    return None if text is None else _CONTROL_BUT_LINES.sub(" ", text).strip()[:MAX_TITLE] or None


def moment_of(
    value: Any, choices: Choices, tally: Tally, *, zone: tzinfo | None = None
) -> datetime | None:
    """Return a time in UTC; None for what is none.

    What has no zone is of the chosen one. What is before 1970 or in the future is kept as it
    is, and counted.

    Args:
        value: A text as ISO 8601 has it, or a number of seconds since 1970.
        choices: The zone, and what counts as the future.
        tally: Where what is odd is counted.
        zone: That of times without one, where the source is known to have always the same.
    """
    try:
        if isinstance(value, str):
            moment = datetime.fromisoformat(_six_digits(value.strip()))
        elif isinstance(value, datetime):
            moment = value
        elif isinstance(value, int | float) and not isinstance(value, bool):
            moment = datetime.fromtimestamp(value, UTC)
        else:
            return None
        if moment.tzinfo is None:
            if zone is None:
                tally.notes["time_without_zone"] += 1
            moment = moment.replace(tzinfo=zone or choices.zone)
        if moment.tzinfo is not UTC:
            moment = moment.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        tally.notes["unreadable_time"] += 1
        return None
    if moment < NO_TIME:
        tally.notes["time_before_1970"] += 1
    elif moment > choices.now:
        tally.notes["time_in_future"] += 1
    return moment


_FRACTION = re.compile(r"(\.\d{6})\d+")


def _six_digits(text: str) -> str:
    return _FRACTION.sub(r"\1", text) if len(text) > 26 else text
