"""Checks of values against JSON Schemas that clients wrote, in bounded time and memory.

Measured on jsonschema-rs 0.60: 20 nested `unevaluatedProperties` take 22 s for `{"a":1}`; a chain
of definitions that each name the next one twice takes twice as long with each link (20: 30 ms); a
value nested 100,000 deep ends the process; all errors are made before the first one is given. So
the library is asked only what `infrastructure.schema_cost` found to be cheap.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, cast

import jsonschema_rs
import msgspec

from infrastructure.schema_cost import DRAFTS, MAX_VALUE_DEPTH, Refused, cost_of, count, depth

MAX_SCHEMA_BYTES = 65_536
MAX_SCHEMA_DEPTH = 64
MAX_VALUE_BYTES = 65_536
MAX_WORK = 10_000_000
MAX_MESSAGES = 20

_MAX_EXPLAINED = 50_000
_MAX_EXPLAINED_WORK = 1_000_000
_MAX_KEPT = 32
_MAX_SHOWN = 200
# How long a pattern may take for a character grows with the memory that it is allowed.
_REGEX_BYTES = {65_536: 1, 524_288: 8}
_TOO_DEEP = "is nested too deep"

_VALIDATORS: Mapping[str, type[jsonschema_rs.Validator]] = {
    "2020-12": jsonschema_rs.Draft202012Validator,
    "2019-09": jsonschema_rs.Draft201909Validator,
    "07": jsonschema_rs.Draft7Validator,
}
_LIMITS: Mapping[str, str] = {
    "minLength": "has less than {} characters",
    "maxLength": "has more than {} characters",
    "minItems": "has less than {} items",
    "maxItems": "has more than {} items",
    "minProperties": "has less than {} properties",
    "maxProperties": "has more than {} properties",
    "minimum": "is less than {}",
    "maximum": "is more than {}",
    "exclusiveMinimum": "is not more than {}",
    "exclusiveMaximum": "is not less than {}",
}
_OTHERS: Mapping[str, str] = {
    "enum": "is not one of the values that the schema lists",
    "const": "is not the value that the schema demands",
    "pattern": "does not match the pattern of the schema",
    "propertyNames": "has a property whose name the schema does not allow",
    "additionalProperties": "has properties that the schema does not allow",
    "unevaluatedProperties": "has properties that the schema does not allow",
    "additionalItems": "has more items than the schema allows",
    "unevaluatedItems": "has more items than the schema allows",
    "uniqueItems": "has equal items",
    "contains": "does not contain what the schema demands",
    "anyOf": "fits none of the choices of the schema",
    "oneOf": "does not fit exactly one of the choices of the schema",
    "not": "is what the schema excludes",
    "falseSchema": "is not allowed at all",
}


@dataclass(frozen=True, slots=True)
class _Compiled:
    validator: jsonschema_rs.Validator
    cost: int
    is_small: bool


class JsonSchemas:
    """Judges schemas, and values by schemas; the last few small schemas stay compiled."""

    def __init__(self) -> None:
        self._kept: dict[bytes, _Compiled] = {}

    def problems_of_schema(self, schema: Mapping[str, Any]) -> Sequence[str]:
        """Return why a schema cannot be used, nothing when it can.

        Args:
            schema: JSON Schema 2020-12, or 2019-09 or draft-07 when `$schema` says so; at most 64
                KiB of JSON, with references into itself only.
        """
        try:
            self._compiled(schema)
        except Refused as refused:
            return refused.problems
        return ()

    def violations(self, schema: Mapping[str, Any], value: Any) -> Sequence[str]:
        """Return what is wrong with a value, nothing when it fits.

        A message has the place as a JSON pointer and says what the schema wants; it does not say
        what the value is, which may be a secret.

        Args:
            schema: One without problems; nothing fits another.
            value: At most 64 KiB of JSON, nested at most 32 deep.
        """
        try:
            compiled = self._compiled(schema)
            raw, plain = _as_json(value, "the value", MAX_VALUE_BYTES, MAX_VALUE_DEPTH)
        except Refused as refused:
            return refused.problems
        work = compiled.cost * len(raw)
        if work > MAX_WORK:
            return ("the value is too large for a schema that has so much to check",)
        if compiled.validator.is_valid(plain):
            return ()
        # All errors are made, and again for each choice of an `anyOf`, before the first is given.
        if work > _MAX_EXPLAINED_WORK or compiled.cost * count(plain) > _MAX_EXPLAINED:
            return ("the value does not fit the schema; it is too large to say where",)
        errors = compiled.validator.iter_errors(plain)
        return tuple(_told(error, _what) for error in islice(errors, MAX_MESSAGES))

    def _compiled(self, schema: Mapping[str, Any]) -> _Compiled:
        key, plain = _as_json(schema, "the schema", MAX_SCHEMA_BYTES, MAX_SCHEMA_DEPTH)
        compiled = self._kept.pop(key, None) or _compile(plain)
        if compiled.is_small:
            self._kept[key] = compiled
        if len(self._kept) > _MAX_KEPT:
            del self._kept[next(iter(self._kept))]
        return compiled


def _as_json(value: Any, name: str, most: int, deepest: int) -> tuple[bytes, Any]:
    try:
        raw = msgspec.json.encode(value, enc_hook=_plain, order="deterministic")
    except RecursionError:
        raise Refused(f"{name} {_TOO_DEEP}; at most {deepest} levels") from None
    except (TypeError, ValueError):
        raise Refused(f"{name} is not JSON") from None
    if len(raw) > most:
        raise Refused(f"{name} has {len(raw)} bytes of JSON; at most {most}")
    plain = msgspec.json.decode(raw)
    if depth(plain) > deepest:
        raise Refused(f"{name} {_TOO_DEEP}; at most {deepest} levels")
    return raw, plain


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(cast("Mapping[str, Any]", value))
    raise TypeError


def _compile(schema: dict[str, Any]) -> _Compiled:
    named = schema.get("$schema", "https://json-schema.org/draft/2020-12/schema")
    draft = DRAFTS.get(named.removesuffix("#")) if isinstance(named, str) else None
    if draft is None:
        known = ", ".join(DRAFTS)
        raise Refused(f"/$schema: is not known here; leave it out or use one of {known}")
    validator = _VALIDATORS[draft]
    try:
        jsonschema_rs.meta.validate({**schema, "$schema": named})
    except jsonschema_rs.ValidationError as error:
        raise Refused(_told(error, _what)) from None
    cost = cost_of(schema)
    # Without its own name a schema is always what `#` refers to.
    unnamed = {key: value for key, value in schema.items() if key != "$id"}
    why = ""
    for size, factor in _REGEX_BYTES.items():
        options = jsonschema_rs.RegexOptions(size_limit=size, dfa_size_limit=size)
        try:
            compiled = validator(
                unnamed, offline=True, validate_formats=True, pattern_options=options
            )
        except jsonschema_rs.ValidationError as error:
            why = _told(error, _why_not_compiled)
        except (jsonschema_rs.ReferencingError, ValueError):
            why = "the schema refers to something that it does not have"
        else:
            return _Compiled(compiled, cost * factor, is_small=factor == 1)
    raise Refused(why)


def _told(error: jsonschema_rs.ValidationError, what: Callable[[Any], str]) -> str:
    steps = (str(step).replace("~", "~0").replace("/", "~1") for step in error.instance_path)
    pointer = "".join(f"/{step}" for step in steps)
    return f"{_short(pointer) or 'the whole'}: {what(error.kind)}"


def _why_not_compiled(kind: Any) -> str:
    if kind.name in ("pattern", "format"):
        return "is not a regular expression that can be matched in linear time and little memory"
    return "cannot be used"


def _what(kind: Any) -> str:
    name: str = kind.name
    if name in _LIMITS:
        return _LIMITS[name].format(_short(str(kind.limit)))
    match name:
        case "type":
            return f"is not of type {' or '.join(kind.types)}"
        case "required":
            return f"lacks the property {_short(kind.property)}"
        case "format":
            return f"is not in the format {_short(kind.format)}"
        case "multipleOf":
            return f"is not a multiple of {_short(str(kind.multiple_of))}"
        case _:
            return _OTHERS.get(name, f"does not satisfy {name}")


def _short(text: str) -> str:
    return text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 1] + "…"
