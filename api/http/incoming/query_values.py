"""What a parameter of a query may be: how its text is read, and its schema in the documents.

Each is an annotation of a field of an `api.http.incoming.query.Query`, and raises `ValueError` with
what the text must be instead.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast, get_args
from uuid import UUID

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from domain.log.event_names import fault_of_pattern

LAST_NUMBER = 2**62

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_NO_UUID = "00000000-0000-0000-0000-000000000000"
_FACTOR = re.compile(r"[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?", re.ASCII)
_TEXT = re.compile(r"[^\x00-\x1f\x7f]+")
_TEXT_SCHEMA = {"type": "string", "minLength": 1, "pattern": r"^[^\x00-\x1f\x7f]+$"}
_LONGEST = 500
_LONGEST_LIST = 4000
_FLAGS = {"true": True, "false": False}
_GO_FLAGS = {
    "": False,
    **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True),
    **dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False),
}


class BadValue(ValueError):
    """A value makes no sense.

    Args:
        why: What it must be.
        name: Of the parameter, where it is not the name of the field.
    """

    def __init__(self, why: str, name: str | None = None) -> None:
        super().__init__(why)
        self.name = name


@dataclass(frozen=True, slots=True)
class Value:
    """An annotation of a field: how its text is read.

    Args:
        read: Returns the value that a text stands for, or raises `ValueError`.
        schema: What the text may be, as JSON Schema.
        many: It may be given several times, which is the same as with commas.
    """

    read: Callable[[Any], Any]
    schema: Mapping[str, Any]
    many: bool = False

    def __get_pydantic_core_schema__(self, _: Any, __: GetCoreSchemaHandler) -> CoreSchema:
        """Have pydantic read by this alone."""
        return core_schema.no_info_plain_validator_function(self._parse)

    def __get_pydantic_json_schema__(self, _: CoreSchema, __: GetJsonSchemaHandler) -> Any:
        """Return the schema."""
        return dict(self.schema)

    def _parse(self, given: Any) -> Any:
        if isinstance(given, list):
            if not self.many:
                raise BadValue("it is given more than once")
            given = ",".join(cast("list[str]", given))
        return self.read(given)


def text(most: int = _LONGEST, pattern: str | None = None, but: str = "") -> Value:
    """A text without control characters.

    Args:
        most: Characters.
        pattern: All of it, if not any text will do.
        but: What it must be when it does not match that.
    """
    whole = None if pattern is None else re.compile(pattern)

    def read(given: str) -> str:
        _require_text(given, most)
        if whole is not None and not whole.fullmatch(given):
            raise BadValue(but)
        return given

    schema = {**_TEXT_SCHEMA, "maxLength": most}
    return Value(read, schema if pattern is None else {**schema, "pattern": f"^{pattern}$"})


def event_types() -> Value:
    """The names of types of events, or the beginnings of such names, in a list with commas."""

    def read(given: str) -> tuple[str, ...]:
        found = _words(given)
        if not found:
            raise BadValue("it must be one or more names such as turn.completed")
        for fault in filter(None, map(fault_of_pattern, found)):
            raise BadValue(fault)
        return found

    return Value(read, {**_TEXT_SCHEMA, "maxLength": _LONGEST_LIST}, many=True)


def texts_by_name(prefix: str) -> Value:
    """Texts by the rest of the names of all parameters that begin with a prefix and a dot."""

    def read(given: Mapping[str, str]) -> Mapping[str, str]:
        for rest, value in sorted(given.items()):
            name = f"{prefix}.{rest}"
            if max(len(name), len(value)) > _LONGEST or "\0" in name + value:
                raise BadValue(f"it must be at most {_LONGEST} characters, none of them NUL", name)
        return dict(given)

    schema = {
        "type": "object",
        "propertyNames": {"pattern": rf"^{prefix}\.", "maxLength": _LONGEST},
        "additionalProperties": {"type": "string", "maxLength": _LONGEST},
        "examples": [{f"{prefix}.ticket": "4711"}],
    }
    return Value(read, schema)


def one_of(literal: Any) -> Value:
    """One of some words.

    Args:
        literal: A `Literal` with them, or a tuple of them.
    """
    choices = get_args(literal) or tuple(literal)

    def read(given: str) -> str:
        if given not in choices:
            raise BadValue(f"it must be one of {', '.join(choices)}")
        return given

    return Value(read, {"type": "string", "enum": list(choices)})


def some_of(literal: Any, *, but: tuple[str, ...] = ()) -> Value:
    """Some of the words of a `Literal`, in order, each once.

    Args:
        literal: With all words.
        but: Those of them that are not taken.
    """
    choices = [word for word in get_args(literal) if word not in but]

    def read(given: str) -> tuple[str, ...]:
        found = tuple(sorted(set(_words(given))))
        if not found or not set(found).issubset(choices):
            raise BadValue(f"it must be one or more of {', '.join(choices)}")
        return found

    items = {"type": "string", "enum": choices}
    return Value(read, {"type": "array", "minItems": 1, "items": items}, many=True)


def flag() -> Value:
    """True or false."""

    def read(given: str) -> bool:
        if given not in _FLAGS:
            raise BadValue(f"it must be one of {', '.join(_FLAGS)}")
        return _FLAGS[given]

    return Value(read, {"type": "string", "enum": list(_FLAGS)})


def mark_flags(names: tuple[str, ...]) -> Value:
    """Whether something is marked so or not, by the names of the marks."""
    one = flag()

    def read(given: Mapping[str, str]) -> Mapping[str, bool]:
        found: dict[str, bool] = {}
        for name, value in given.items():
            try:
                found[name] = one.read(value)
            except ValueError as error:
                raise BadValue(str(error), name) from None
        return found

    said = "only those that are {}, or are not"
    properties = {name: {**one.schema, "description": said.format(name)} for name in names}
    return Value(read, {"type": "object", "properties": properties})


def go_flag() -> Value:
    """A boolean as Go's `strconv.ParseBool` reads it; blank is false."""

    def read(given: str) -> bool:
        meaning = _GO_FLAGS.get(given.strip())
        if meaning is None:
            raise BadValue(f"it must be one of {', '.join(filter(None, _GO_FLAGS))}")
        return meaning

    # A pattern: code generators make one name of two words that differ in case only.
    return Value(read, {"type": "string", "pattern": f"^({'|'.join(_GO_FLAGS)})$"})


def whole_number(least: int = 0, most: int = LAST_NUMBER) -> Value:
    """A whole number in a range."""

    def read(given: str) -> int:
        if not (is_number(given) and len(given) < 20):
            raise BadValue("it must be a whole number, 0 or more")
        number = int(given)
        if not least <= number <= most:
            raise BadValue(f"it must be from {least} to {most}")
        return number

    return Value(read, {"type": "integer", "minimum": least, "maximum": most})


def factor(least: float, most: float) -> Value:
    """A number in a range, which may have a point."""

    def read(given: str) -> float:
        number = float(given) if len(given) < 40 and _FACTOR.fullmatch(given) else math.nan
        if not least <= number <= most:
            raise BadValue(f"it must be a number from {least:g} to {most:g}")
        return number

    return Value(read, {"type": "number", "minimum": least, "maximum": most})


def fraction() -> Value:
    """A part of a whole: above 0, at most 1."""

    def read(given: str) -> float:
        try:
            part = float(given)
        except ValueError:
            part = 0.0
        if not 0 < part <= 1:
            raise BadValue("it must be above 0 and at most 1")
        return part

    return Value(read, {"type": "number", "exclusiveMinimum": 0, "maximum": 1})


def cursor_or_now() -> Value:
    """A sequence or a position to go on after; `now` is None, the head."""
    number = whole_number()

    def read(given: str) -> int | None:
        return None if given == "now" else number.read(given)

    return Value(read, {"anyOf": [number.schema, {"type": "string", "enum": ["now"]}]})


def session_id() -> Value:
    """The id of a session; `NamesSession` beside it puts one in the place of an external id."""

    def read(given: str) -> UUID:
        if not _UUID.fullmatch(given):
            raise BadValue(
                "it must be a UUID such as 01890a5d-ac96-774b-bcce-b302099a8057, or `ext:` and an"
                " external id"
            )
        return UUID(given)

    return Value(read, {"type": "string"})


def uuids_from() -> Value:
    """The beginning of a UUID: the smallest and the greatest of those that have it."""

    def read(given: str) -> tuple[UUID, UUID]:
        rest = _NO_UUID[len(given) :]
        first, last = given + rest, given + rest.replace("0", "f")
        if not given or not _UUID.fullmatch(first):
            raise BadValue("it must be the beginning of a UUID such as 01890a5d-ac96")
        return UUID(first), UUID(last)

    pattern, examples = "^[0-9a-fA-F-]{1,36}$", ["01890a5d-ac96"]
    return Value(read, {"type": "string", "pattern": pattern, "examples": examples})


def is_number(given: str) -> bool:
    """Return whether a text is digits and nothing else."""
    return given.isascii() and given.isdigit()


def _require_text(given: str, most: int) -> None:
    if len(given) > most or not _TEXT.fullmatch(given):
        raise BadValue(f"it must be 1 to {most} characters, none of them a control character")


def _words(given: str) -> tuple[str, ...]:
    _require_text(given, _LONGEST_LIST)
    return tuple(filter(None, map(str.strip, given.split(","))))
