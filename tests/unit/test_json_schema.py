"""Schemas that clients wrote are judged in bounded time, and values without being told again."""

import time

import pytest

from infrastructure.json_schema import MAX_MESSAGES, MAX_VALUE_BYTES, JsonSchemas
from infrastructure.schema_cost import MAX_COST, cost_of

FORM = {
    "type": "object",
    "required": ["name"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "minLength": 2, "maxLength": 5, "pattern": "^[a-z]+$"},
        "mail": {"type": "string", "format": "email"},
        "size": {"enum": ["S", "M"]},
        "count": {"type": "integer", "minimum": 1, "exclusiveMaximum": 4, "multipleOf": 2},
        "tags": {"type": "array", "items": {"type": "string"}, "uniqueItems": True, "minItems": 1},
        "a/b~c": {"const": "letmein"},
    },
}
TREE = {"properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}, "n": {"type": "integer"}}}


def nested(value, wrap, times):
    for _ in range(times):
        value = wrap(value)
    return value


def problems(schema):
    return JsonSchemas().problems_of_schema(schema)


def violations(schema, value):
    return JsonSchemas().violations(schema, value)


def test_a_value_that_fits_has_no_violations():
    assert not problems(FORM)
    assert not violations(FORM, {"name": "anna", "mail": "a@b.example", "count": 2, "tags": ["x"]})


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({}, "the whole: lacks the property name"),
        ([], "the whole: is not of type object"),
        ({"name": "anna", "zip": 1}, "the whole: has properties that the schema does not allow"),
        ({"name": "a"}, "/name: has less than 2 characters"),
        ({"name": "abcdef"}, "/name: has more than 5 characters"),
        ({"name": "ANNA"}, "/name: does not match the pattern of the schema"),
        ({"name": "anna", "mail": "hunter2"}, "/mail: is not in the format email"),
        ({"name": "anna", "size": "L"}, "/size: is not one of the values that the schema lists"),
        ({"name": "anna", "count": 0}, "/count: is less than 1"),
        ({"name": "anna", "count": 4}, "/count: is not less than 4"),
        ({"name": "anna", "count": 3}, "/count: is not a multiple of 2"),
        ({"name": "anna", "tags": ["a", 1]}, "/tags/1: is not of type string"),
        ({"name": "anna", "tags": ["a", "a"]}, "/tags: has equal items"),
        ({"name": "anna", "tags": []}, "/tags: has less than 1 items"),
        ({"name": "anna", "a/b~c": 1}, "/a~1b~0c: is not the value that the schema demands"),
    ],
)
def test_a_violation_says_where_it_is_and_what_is_wanted(value, said):
    assert violations(FORM, value) == (said,)


def test_a_violation_never_says_what_the_value_is():
    secret = "hunter2-" * 4
    keywords = [
        {"type": "integer"},
        {"enum": [1]},
        {"const": 1},
        {"maxLength": 1},
        {"pattern": "^x$"},
        {"format": "uri"},
        {"anyOf": [{"type": "null"}]},
        {"oneOf": [{}, {}]},
        {"not": {}},
        {"if": {}, "then": False},
    ]
    for keyword in keywords:
        said = [
            *violations(keyword, secret),
            *violations({"propertyNames": keyword}, {secret: 1}),
            *violations({"additionalProperties": False}, {secret: 1}),
            *violations({"unevaluatedProperties": False}, {secret: 1}),
            *violations({"contains": keyword}, [secret]),
        ]
        assert len(said) == 5
        assert not [one for one in said if "hunter2" in one], said


def test_of_many_violations_the_first_twenty_are_told():
    schema = {"items": {"type": "string"}}

    assert len(violations(schema, list(range(MAX_MESSAGES)))) == MAX_MESSAGES
    assert len(violations(schema, list(range(MAX_MESSAGES + 1)))) == MAX_MESSAGES
    assert violations(schema, [0] * 30_000) == (
        "the value does not fit the schema; it is too large to say where",
    )


def test_a_long_place_or_name_is_cut():
    (place,) = violations({"additionalProperties": {"type": "null"}}, {"x" * 9_000: 1})
    (name,) = violations({"required": ["x" * 9_000]}, {})

    assert len(place) < 250
    assert len(name) < 250


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "strin"}, "/type: fits none of the choices of the schema"),
        ({"properties": {"a": {"minLength": -1}}}, "/properties/a/minLength: is less than 0"),
        ({"required": "a"}, "/required: is not of type array"),
        ({"$ref": "#/$defs/a"}, "a $ref refers to a place that the schema does not have"),
        ({"$ref": "#a"}, "a $ref refers to an anchor that the schema does not have, or twice"),
        ({"$dynamicRef": "#a"}, "$dynamicRef is not supported; use $ref"),
        ({"items": {"$id": "a"}}, "$id is allowed at the top of a schema only"),
        ({"$ref": "#/x", "x": {"$id": "a"}}, "$id is allowed at the top of a schema only"),
        ({"title": "\ud800"}, "the schema is not JSON"),
        ({"default": object()}, "the schema is not JSON"),
        ({"$ref": "#/x", "x": {"minLength": -1}}, "/x/minLength: cannot be used"),
        ({"title": "x" * 65_536}, "the schema has 65548 bytes of JSON; at most 65536"),
    ],
)
def test_a_schema_that_cannot_be_used_is_refused_and_nothing_fits_it(schema, said):
    assert problems(schema) == (said,)
    assert violations(schema, {}) == (said,)


def test_a_schema_of_an_unknown_draft_is_refused():
    (said,) = problems({"$schema": "http://json-schema.org/draft-04/schema#"})

    assert said.startswith("/$schema: is not known here; leave it out or use one of https://")


def test_an_older_draft_is_followed_when_it_is_named():
    items = {"items": [{"type": "integer"}]}

    assert problems(items)
    for draft in (
        "http://json-schema.org/draft-07/schema",
        "http://json-schema.org/draft-07/schema#",
    ):
        named = {"$schema": draft, **items}
        assert not problems(named)
        assert violations(named, ["a"]) == ("/0: is not of type integer",)


@pytest.mark.parametrize(
    "reference",
    [
        "http://127.0.0.1:1/a",
        "file:///etc/passwd",
        "other.json#/a",
        "",
        "https://json-schema.org/draft/2020-12/schema",
    ],
)
@pytest.mark.parametrize("place", ["items", "not", "else", "contentSchema"])
def test_a_reference_out_of_the_schema_is_refused_and_not_followed(reference, place):
    said = ("a $ref must begin with #: nothing outside of the schema is looked up",)

    assert problems({"$defs": {"a": {place: {"$ref": reference}}}}) == said


def test_a_property_that_is_called_ref_is_no_reference():
    schema = {"properties": {"$ref": {"const": "a"}, "$id": {}}, "enum": [{"$ref": "a"}]}

    assert not problems(schema)
    assert not violations(schema, {"$ref": "a"})


def test_a_reference_is_followed_by_pointer_by_anchor_and_under_a_name_of_its_own():
    for reference, defined in (
        ("#/$defs/a~1b%25", {"a/b%": {"type": "integer"}}),
        ("#here", {"a": {"$anchor": "here", "type": "integer"}}),
    ):
        schema = {"items": {"$ref": reference}, "$defs": defined, "$id": "not a URI"}
        assert not problems(schema)
        assert violations(schema, [1, "a"]) == ("/1: is not of type integer",)


def test_a_schema_may_refer_to_itself_on_the_way_down():
    assert not problems(TREE)
    assert violations(TREE, {"left": {"right": {"n": "x"}}}) == (
        "/left/right/n: is not of type integer",
    )


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"anyOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"not": {"$ref": "#"}}}},
        {
            "$ref": "#/$defs/0",
            "$defs": {**{str(n): {"$ref": f"#/$defs/{n + 1}"} for n in range(999)}, "999": {}},
        },
    ],
)
def test_a_schema_that_goes_round_in_one_place_is_refused(schema):
    (said,) = problems(schema)

    assert said.startswith("the schema refers to itself, or over more than 64 steps")


@pytest.mark.parametrize(
    "schema",
    [
        {
            "$ref": "#/$defs/0",
            "$defs": {
                **{str(n): {"allOf": [{"$ref": f"#/$defs/{n + 1}"}] * 2} for n in range(30)},
                "30": {},
            },
        },
        {"items": {"allOf": [{"$ref": "#"}, {"$ref": "#"}]}},
        nested({}, lambda inner: {"allOf": [inner], "unevaluatedProperties": False}, 20),
        nested({}, lambda inner: {"properties": {"a": inner}, "unevaluatedItems": False}, 20),
        {"enum": [1] * (MAX_COST // 2), "anyOf": [{"$ref": "#/$defs/a"}] * 1_000}
        | {"$defs": {"a": {"required": [str(n) for n in range(20)]}}},
    ],
)
def test_a_schema_whose_checks_multiply_is_refused_at_once(schema):
    began = time.process_time()

    assert problems(schema) == ("the schema has too much to check at one place of a value",)
    assert time.process_time() - began < 2


def test_the_cost_counts_what_may_be_asked_at_one_place():
    assert cost_of({}) == 1
    assert cost_of({"type": "string"}) == 2
    assert cost_of({"enum": [1, 2, 3]}) == 5
    assert cost_of({"properties": {"a": {"enum": [1] * 50}, "b": {"enum": [1] * 70}}}) == 72
    assert cost_of({"patternProperties": {"a": {"enum": [1] * 50}, "b": {"type": []}}}) == 403
    assert cost_of({"contains": {"enum": [1] * 50}, "items": {"enum": [1] * 70}}) == 124
    assert cost_of(TREE) == 5


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(a|a)*$", "^(.*a){12}$", "^[ab]*a[ab]{800}$"])
def test_a_catastrophic_pattern_is_matched_in_linear_time(pattern):
    schema = {"pattern": pattern}
    assert not problems(schema)
    began = time.process_time()

    assert violations(schema, "a" * 1_000 + "!") == (
        "the whole: does not match the pattern of the schema",
    )
    assert violations(schema, "a" * 40_000 + "!") == (
        "the value does not fit the schema; it is too large to say where",
    )
    assert time.process_time() - began < 5


@pytest.mark.parametrize("pattern", [r"(a)\1", "(?=a)", "((a{100}){100}){100}", "("])
def test_a_pattern_that_has_no_bound_is_refused(pattern):
    (said,) = problems({"properties": {"a": {"pattern": pattern}}})

    assert said.startswith("/properties/a/pattern: ")


def test_a_pattern_that_needs_much_memory_is_for_short_values():
    schema = {"pattern": "^.{1,500}$"}

    assert not problems(schema)
    assert not violations(schema, "ü" * 500)
    assert violations(schema, "ü" * 501)
    assert violations(schema, "ü" * 10_000) == (
        "the value is too large for a schema that has so much to check",
    )


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"allOf": [{"pattern": "a"}] * 51}, "the schema has more than 50 patterns"),
        ({"patternProperties": {str(n): {} for n in range(51)}}, "the schema has more than 50 "),
        ({"anyOf": [{}] * 2_000}, "the schema has more than 2000 subschemas"),
    ],
)
def test_a_schema_has_a_limited_number_of_parts(schema, said):
    assert problems(schema)[0].startswith(said)


@pytest.mark.parametrize("times", [33, 1_000, 100_000])
def test_a_value_nested_too_deep_is_refused(times):
    said = ("the value is nested too deep; at most 32 levels",)

    assert violations({}, nested(1, lambda inner: [inner], times)) == said
    assert violations({}, nested(1, lambda inner: {"a": inner}, times)) == said
    assert violations({"items": {"$ref": "#"}}, nested(1, lambda inner: [inner], times)) == said


def test_a_value_is_nested_as_deep_as_it_may_be():
    assert not violations({"items": {"$ref": "#"}}, nested(1, lambda inner: [inner], 31))


@pytest.mark.parametrize("times", [64, 1_000, 100_000])
def test_a_schema_nested_too_deep_is_refused(times):
    said = ("the schema is nested too deep; at most 64 levels",)

    assert problems(nested({}, lambda inner: {"not": inner}, times)) == said


def test_a_value_has_a_limited_size_that_shrinks_with_what_is_to_be_checked():
    assert not violations({"type": "string"}, "x" * (MAX_VALUE_BYTES - 2))
    assert violations({"type": "string"}, "x" * (MAX_VALUE_BYTES - 1)) == (
        "the value has 65537 bytes of JSON; at most 65536",
    )
    assert violations({"items": {"enum": list(range(9_000))}}, [1] * 3_000) == (
        "the value is too large for a schema that has so much to check",
    )


@pytest.mark.parametrize("value", ["\ud800", object(), {1: {2: object()}}])
def test_a_value_that_is_no_json_is_refused(value):
    assert violations({}, value) == ("the value is not JSON",)


def test_the_last_schemas_stay_compiled_however_their_keys_are_ordered(monkeypatch):
    schemas, compiled = JsonSchemas(), []
    real = JsonSchemas.__dict__["_compiled"].__globals__["_compile"]
    monkeypatch.setattr(
        "infrastructure.json_schema._compile",
        lambda schema: compiled.append(schema) or real(schema),
    )

    assert not schemas.problems_of_schema({"type": "string", "maxLength": 3})
    assert schemas.violations({"maxLength": 3, "type": "string"}, "abcd")
    assert len(compiled) == 1
    for n in range(31):
        schemas.problems_of_schema({"minLength": n})
    schemas.problems_of_schema({"type": "string", "maxLength": 3})
    assert len(compiled) == 32
    for n in range(32, 64):
        schemas.problems_of_schema({"minLength": n})
    schemas.problems_of_schema({"type": "string", "maxLength": 3})
    assert len(compiled) == 65
