"""Checks what was filled in against the schema of its form, in bounded time and memory.

The domain has held the schema to a flat object of texts, numbers, booleans and choices, so the
library has a few checks to make for each property. What is left is what a regular expression costs:
it is matched in linear time, in little memory.
"""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, cast

import jsonschema_rs
import msgspec

from domain.session.interaction.form_schema import Fault, faults_of

MAX_SCHEMA_BYTES = 65_536
MAX_VALUE_BYTES = 65_536
MAX_MESSAGES = 20

_MAX_SHOWN = 200
_REGEX = jsonschema_rs.RegexOptions(size_limit=65_536, dfa_size_limit=65_536)
_LIMITS: Mapping[str, str] = {
    "minLength": "has less than {} characters",
    "maxLength": "has more than {} characters",
    "minItems": "has less than {} items",
    "maxItems": "has more than {} items",
    "minimum": "is less than {}",
    "maximum": "is more than {}",
    "exclusiveMinimum": "is not more than {}",
    "exclusiveMaximum": "is not less than {}",
}
_OTHERS: Mapping[str, str] = {
    "enum": "is not one of the values that the schema lists",
    "oneOf": "is not one of the values that the schema lists",
    "anyOf": "is not one of the values that the schema lists",
    "const": "is not the one value that the schema has",
    "uniqueItems": "has an item twice",
    "pattern": "does not match the pattern of the schema",
    "additionalProperties": "has properties that the schema does not allow",
}


class FormSchemas:
    """Judges the schemas of forms, and what was filled in; see `application.ports.schemas`."""

    def faults_of_schema(self, schema: Mapping[str, Any]) -> Sequence[Fault]:
        """Return why a schema cannot be used, nothing when it can.

        Args:
            schema: What the domain takes, at most 64 KiB of JSON, with patterns that can be
                matched in linear time.
        """
        size = len(_json(schema))
        if size > MAX_SCHEMA_BYTES:
            return [Fault("schema", f"it has {size} bytes of JSON; at most {MAX_SCHEMA_BYTES}")]
        return faults_of(schema) or [
            Fault(
                f"schema.properties.{name}.pattern",
                "it is no regular expression that can be matched in linear time and little memory",
            )
            for name, one in schema["properties"].items()
            if "pattern" in one and _compiled({"pattern": one["pattern"]}) is None
        ]

    def violations(self, schema: Mapping[str, Any], content: Mapping[str, Any]) -> Sequence[str]:
        """Return what is wrong with content, nothing when it fits.

        A message has the place as a JSON pointer and says what the schema wants; it does not say
        what the content is, which may be a secret.

        Args:
            schema: One without faults; nothing fits another.
            content: At most 64 KiB of JSON: texts, numbers, booleans and lists of texts.
        """
        if self.faults_of_schema(schema):
            return ("the schema cannot be used; withdraw the request, and ask with another",)
        too_deep = [name for name, value in content.items() if not _is_flat(value)]
        if too_deep:
            return tuple(
                f"/{_short(name)}: is no text, number, boolean or list of texts"
                for name in too_deep[:MAX_MESSAGES]
            )
        raw = _json(content)
        if len(raw) > MAX_VALUE_BYTES:
            return (f"the content has {len(raw)} bytes of JSON; at most {MAX_VALUE_BYTES}",)
        compiled = _compiled(schema)
        if compiled is None:
            return ("the schema cannot be used; withdraw the request, and ask with another",)
        errors = compiled.iter_errors(msgspec.json.decode(raw))
        return tuple(_told(error) for error in islice(errors, MAX_MESSAGES))


def _compiled(schema: Mapping[str, Any]) -> jsonschema_rs.Draft202012Validator | None:
    """Return what checks by a schema; None when it has a pattern that costs too much."""
    checked = {word: value for word, value in schema.items() if word != "$schema"}
    try:
        return jsonschema_rs.Draft202012Validator(
            msgspec.json.decode(_json(checked)),
            offline=True,
            validate_formats=True,
            pattern_options=_REGEX,
        )
    except (jsonschema_rs.ValidationError, ValueError):
        return None


def _json(value: Any) -> bytes:
    return msgspec.json.encode(value, enc_hook=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(cast("Mapping[str, Any]", value))
    raise TypeError


def _is_flat(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(isinstance(one, str) for one in cast("Sequence[Any]", value))
    return isinstance(value, str | int | float)


def _told(error: jsonschema_rs.ValidationError) -> str:
    steps = (str(step).replace("~", "~0").replace("/", "~1") for step in error.instance_path)
    pointer = "".join(f"/{step}" for step in steps)
    return f"{_short(pointer) or 'the whole'}: {_what(error.kind)}"


def _what(kind: Any) -> str:
    name: str = kind.name
    if name in _LIMITS:
        return _LIMITS[name].format(_short(str(kind.limit)))
    match name:
        case "type":
            return f"is not of type {' or '.join(kind.types)}"
        case "required":
            return f"lacks the property {_short(kind.property)}"
        case "multipleOf":
            return f"is no multiple of {_short(str(kind.multiple_of))}"
        case "format":
            return f"is not in the format {_short(kind.format)}"
        case _:
            return _OTHERS.get(name, f"does not satisfy {name}")


def _short(text: str) -> str:
    return text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 1] + "…"
