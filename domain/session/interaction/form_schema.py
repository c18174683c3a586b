"""What the schema of a form may be: the restricted JSON Schema of MCP elicitations.

A flat object whose properties are texts, numbers, booleans, one of some values, or several of
them. Source: `ElicitRequestFormParams.requestedSchema` and `PrimitiveSchemaDefinition` of the
schema of the Model Context Protocol (2025-11-25 and 2026-07-28). It forbids no other keyword, and
its Python SDK writes some more for the fields of a form: they are taken where a property stays what
it is and costs no more to check (`pattern`, `const`, `exclusiveMinimum`, `exclusiveMaximum`,
`multipleOf`, `uniqueItems`, an `enum` of numbers, `examples` and `deprecated`; of the whole a
`title`, a `description` and `additionalProperties`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeGuard, cast

MAX_PROPERTIES = 100
MAX_CHOICES = 1_000
MAX_TEXT = 2_000
"""Characters of a title, a description, a pattern or a name."""

FORMATS = ("email", "uri", "date", "date-time")

_WHOLE = ("$schema", "type", "title", "description", "properties", "required")
_SAID = ("type", "title", "description", "default", "examples", "deprecated")
_TEXT = (*_SAID, "minLength", "maxLength", "format", "pattern")
_ONE_OF = {
    "enum": (*_SAID, "enum", "enumNames"),
    "oneOf": (*_SAID, "oneOf"),
    "const": (*_SAID, "const"),
}
_LIMITS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
_NUMBER = (*_SAID, *_LIMITS, "enum", "const")
_SEVERAL = (*_SAID, "items", "minItems", "maxItems", "uniqueItems")


class Fault(NamedTuple):
    """What is wrong with a schema, and where."""

    field: str
    message: str


def faults_of(schema: Mapping[str, Any]) -> list[Fault]:
    """Return what is wrong with the schema of a form, nothing when it can be used.

    Args:
        schema: JSON, where a list may be a tuple.
    """
    return list(_faults(schema))


def _faults(schema: Mapping[str, Any]) -> Iterator[Fault]:
    at = "schema"
    yield from _unknown(schema, (*_WHOLE, "additionalProperties"), at)
    if schema.get("type") != "object":
        yield Fault(f"{at}.type", 'it must be "object", which the content of a form is')
    if not isinstance(schema.get("additionalProperties", False), bool):
        yield Fault(f"{at}.additionalProperties", "it must be true or false")
    yield from _annotations(schema, at)
    properties = schema.get("properties")
    if not isinstance(properties, Mapping):
        yield Fault(f"{at}.properties", "it must be an object with a schema for each property")
        return
    named = cast("Mapping[str, Any]", properties)
    if len(named) > MAX_PROPERTIES:
        yield Fault(f"{at}.properties", f"it has {len(named)} properties; at most {MAX_PROPERTIES}")
        return
    required = schema.get("required", ())
    if not _are_texts(required) or not set(required) <= set(named):
        yield Fault(f"{at}.required", "it must be a list of names of properties")
    for name, one in named.items():
        yield from _faults_of_property(f"{at}.properties.{name[:200]}", one)


def _faults_of_property(at: str, one: Any) -> Iterator[Fault]:
    if not isinstance(one, Mapping):
        yield Fault(at, "it must be the schema of a text, a number, a boolean or a choice")
        return
    schema = cast("Mapping[str, Any]", one)
    yield from _annotations(schema, at)
    match schema.get("type"):
        case "string":
            keyword = next((word for word in _ONE_OF if word in schema), None)
            yield from _text(at, schema) if keyword is None else _choice(at, schema, keyword)
        case "number" | "integer" as kind:
            yield from _number(at, schema, whole=kind == "integer")
        case "boolean":
            yield from _unknown(schema, (*_SAID, "const"), at)
            yield from _constant(at, schema, lambda given: isinstance(given, bool))
            yield from _default(at, schema, lambda given: isinstance(given, bool))
        case "array":
            yield from _several(at, schema)
        case "object":
            yield Fault(f"{at}.type", "a form is flat: a property cannot be an object")
        case _:
            words = "string, number, integer, boolean or array"
            yield Fault(f"{at}.type", f"it must be {words}")


def _text(at: str, schema: Mapping[str, Any]) -> Iterator[Fault]:
    yield from _unknown(schema, _TEXT, at)
    yield from _range(at, schema, "minLength", "maxLength", _is_count)
    if schema.get("format", FORMATS[0]) not in FORMATS:
        yield Fault(f"{at}.format", f"it must be {', '.join(FORMATS[:-1])} or {FORMATS[-1]}")
    if not _is_text(schema.get("pattern", "")):
        yield Fault(f"{at}.pattern", f"it must be a text of at most {MAX_TEXT} characters")
    yield from _default(at, schema, lambda given: isinstance(given, str))


def _number(at: str, schema: Mapping[str, Any], *, whole: bool) -> Iterator[Fault]:
    def fits(given: Any) -> bool:
        return _is_number(given) and (not whole or given == int(given))

    yield from _unknown(schema, _NUMBER, at)
    yield from _range(at, schema, "minimum", "maximum", _is_number)
    yield from _range(at, schema, "exclusiveMinimum", "exclusiveMaximum", _is_number)
    step = schema.get("multipleOf", 1)
    if not _is_number(step) or step <= 0:
        yield Fault(f"{at}.multipleOf", "it must be a number above 0")
    choices = schema.get("enum", (1,))
    if not _is_list(choices) or not 0 < len(choices) <= MAX_CHOICES or not all(map(fits, choices)):
        yield Fault(f"{at}.enum", f"it must be a list of 1 to {MAX_CHOICES} such numbers")
    yield from _constant(at, schema, fits)
    yield from _default(at, schema, fits)


def _choice(at: str, schema: Mapping[str, Any], keyword: str) -> Iterator[Fault]:
    yield from _unknown(schema, _ONE_OF[keyword], at)
    if keyword == "const":
        yield from _constant(at, schema, _is_text)
        yield from _default(at, schema, lambda given: given == schema[keyword])
        return
    values = _values(schema[keyword], titled=keyword == "oneOf")
    if values is None:
        yield _no_choices(f"{at}.{keyword}", titled=keyword == "oneOf")
        return
    names = schema.get("enumNames")
    if names is not None and (not _are_texts(names) or len(names) != len(values)):
        yield Fault(f"{at}.enumNames", "it must have a text for each value of enum")
    yield from _default(at, schema, lambda given: given in values)


def _several(at: str, schema: Mapping[str, Any]) -> Iterator[Fault]:
    yield from _unknown(schema, _SEVERAL, at)
    yield from _range(at, schema, "minItems", "maxItems", _is_count)
    if not isinstance(schema.get("uniqueItems", True), bool):
        yield Fault(f"{at}.uniqueItems", "it must be true or false")
    items = schema.get("items")
    if not isinstance(items, Mapping):
        yield Fault(f"{at}.items", "it must have the values that there are, as enum or anyOf")
        return
    choices = cast("Mapping[str, Any]", items)
    titled = "anyOf" in choices
    keyword = "anyOf" if titled else "enum"
    yield from _unknown(choices, ("type", keyword), f"{at}.items")
    if choices.get("type", "string") != "string":
        yield Fault(f"{at}.items.type", 'it must be "string": only texts can be chosen')
    values = _values(choices.get(keyword), titled=titled)
    if values is None:
        yield _no_choices(f"{at}.items.{keyword}", titled=titled)
        return
    yield from _default(at, schema, lambda given: _are_texts(given) and set(given) <= set(values))


def _values(given: Any, *, titled: bool) -> Sequence[str] | None:
    """Return the values that can be chosen; None when they are none."""
    if not _is_list(given) or not 0 < len(given) <= MAX_CHOICES:
        return None
    values: Sequence[Any] = given
    if titled:
        if not all(_is_titled(one) for one in given):
            return None
        values = [one["const"] for one in given]
    is_sound = _are_texts(values) and len(set(values)) == len(values)
    return values if is_sound else None


def _is_titled(one: Any) -> bool:
    return (
        isinstance(one, Mapping)
        and set(cast("Mapping[str, Any]", one)) == {"const", "title"}
        and _is_text(cast("Mapping[str, Any]", one)["title"])
    )


def _no_choices(at: str, *, titled: bool) -> Fault:
    what = "objects with a const and a title, both texts" if titled else "texts"
    return Fault(at, f"it must be a list of 1 to {MAX_CHOICES} different {what}")


def _unknown(schema: Mapping[str, Any], known: Sequence[str], at: str) -> Iterator[Fault]:
    for word in schema:
        if word not in known:
            yield Fault(f"{at}.{word[:200]}", "a form takes no such keyword here; leave it out")


def _annotations(schema: Mapping[str, Any], at: str) -> Iterator[Fault]:
    for word in ("$schema", "title", "description"):
        if word in schema and not _is_text(schema[word]):
            yield Fault(f"{at}.{word}", f"it must be a text of at most {MAX_TEXT} characters")
    if not _is_list(schema.get("examples", ())):
        yield Fault(f"{at}.examples", "it must be a list")
    if not isinstance(schema.get("deprecated", False), bool):
        yield Fault(f"{at}.deprecated", "it must be true or false")


def _range(
    at: str, schema: Mapping[str, Any], least: str, most: str, fits: Callable[[Any], bool]
) -> Iterator[Fault]:
    for word in (least, most):
        if word in schema and not fits(schema[word]):
            yield Fault(f"{at}.{word}", "it must be a number that such a limit can be")
            return
    if least in schema and most in schema and schema[least] > schema[most]:
        yield Fault(f"{at}.{least}", f"it must be at most {most}")


def _constant(at: str, schema: Mapping[str, Any], fits: Callable[[Any], bool]) -> Iterator[Fault]:
    if "const" in schema and not fits(schema["const"]):
        yield Fault(f"{at}.const", "it must be a value that the property can have")


def _default(at: str, schema: Mapping[str, Any], fits: Callable[[Any], bool]) -> Iterator[Fault]:
    if "default" in schema and not fits(schema["default"]):
        yield Fault(f"{at}.default", "it must be a value that the property can have")


def _is_list(given: Any) -> TypeGuard[Sequence[Any]]:
    return isinstance(given, list | tuple)


def _is_text(given: Any) -> TypeGuard[str]:
    return isinstance(given, str) and len(given) <= MAX_TEXT


def _are_texts(given: Any) -> TypeGuard[Sequence[str]]:
    return _is_list(given) and all(map(_is_text, given))


def _is_number(given: Any) -> TypeGuard[int | float]:
    return isinstance(given, int | float) and not isinstance(given, bool) and abs(given) < 2**63


def _is_count(given: Any) -> bool:
    return isinstance(given, int) and not isinstance(given, bool) and 0 <= given < 2**31
