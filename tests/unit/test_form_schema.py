"""Schemas of forms are those that MCP allows; content is held to them without being repeated."""

import time

import pytest

from domain.session.interaction.form_schema import MAX_CHOICES, MAX_PROPERTIES
from infrastructure.json_schema import MAX_MESSAGES, MAX_VALUE_BYTES, FormSchemas

FORM = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "title": "Order",
    "required": ["name"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "minLength": 2, "maxLength": 5, "pattern": "^[a-z]+$"},
        "mail": {"type": "string", "format": "email", "title": "Mail", "description": "of whom"},
        "size": {"type": "string", "enum": ["S", "M"], "default": "S"},
        "old": {"type": "string", "enum": ["1", "2"], "enumNames": ["one", "two"]},
        "colour": {
            "type": "string",
            "oneOf": [{"const": "#f00", "title": "Red"}, {"const": "#0f0", "title": "Green"}],
            "default": "#f00",
        },
        "count": {"type": "integer", "minimum": 1, "maximum": 3, "default": 2},
        "weight": {"type": "number", "minimum": 0.5},
        "gift": {"type": "boolean", "default": False},
        "tags": {
            "type": "array",
            "items": {"type": "string", "enum": ["new", "used"]},
            "minItems": 1,
            "maxItems": 2,
            "default": ["new"],
        },
        "toppings": {
            "type": "array",
            "items": {"anyOf": [{"const": "c", "title": "Cheese"}, {"const": "h", "title": "Ham"}]},
        },
        "a/b~c": {"type": "string", "enum": ["letmein"]},
    },
}


def faults(schema):
    return [tuple(fault) for fault in FormSchemas().faults_of_schema(schema)]


def of_property(schema):
    return faults({"type": "object", "properties": {"p": schema}})


def violations(content, schema=FORM):
    return FormSchemas().violations(schema, content)


def test_every_kind_of_property_that_mcp_has_is_taken():
    assert not faults(FORM)
    assert not violations(
        {
            "name": "anna", "mail": "a@b.example", "size": "M", "old": "1", "colour": "#0f0",
            "count": 2, "weight": 0.5, "gift": True, "tags": ["new"], "toppings": ["c", "h"],
        }
    )  # fmt: skip
    assert not faults({"type": "object", "properties": {}})
    assert not violations({}, {"type": "object", "properties": {}})


@pytest.mark.parametrize("form", ["email", "uri", "date", "date-time"])
def test_the_formats_of_mcp_are_held_to(form):
    schema = {"type": "object", "properties": {"p": {"type": "string", "format": form}}}
    assert not faults(schema)
    assert violations({"p": "\x01"}, schema) == (f"/p: is not in the format {form}",)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({}, "the whole: lacks the property name"),
        ({"name": "anna", "zip": 1}, "the whole: has properties that the schema does not allow"),
        ({"name": "a"}, "/name: has less than 2 characters"),
        ({"name": "abcdef"}, "/name: has more than 5 characters"),
        ({"name": "ANNA"}, "/name: does not match the pattern of the schema"),
        ({"name": "anna", "mail": "hunter2"}, "/mail: is not in the format email"),
        ({"name": "anna", "size": "L"}, "/size: is not one of the values that the schema lists"),
        ({"name": "anna", "old": "3"}, "/old: is not one of the values that the schema lists"),
        ({"name": "anna", "colour": "red"}, ("/colour: is not one of the values that the schema"
         " lists")),
        ({"name": "anna", "count": 0}, "/count: is less than 1"),
        ({"name": "anna", "count": 4}, "/count: is more than 3"),
        ({"name": "anna", "count": 1.5}, "/count: is not of type integer"),
        ({"name": "anna", "gift": "yes"}, "/gift: is not of type boolean"),
        ({"name": "anna", "tags": []}, "/tags: has less than 1 items"),
        ({"name": "anna", "tags": ["old"]}, ("/tags/0: is not one of the values that the schema"
         " lists")),
        ({"name": "anna", "toppings": ["x"]}, ("/toppings/0: is not one of the values that the"
         " schema lists")),
        ({"name": "anna", "a/b~c": "x"}, ("/a~1b~0c: is not one of the values that the schema"
         " lists")),
        ({"name": {"first": "anna"}}, "/name: is no text, number, boolean or list of texts"),
        ({"name": None}, "/name: is no text, number, boolean or list of texts"),
        ({"tags": ["new", 1]}, "/tags: is no text, number, boolean or list of texts"),
    ],
)  # fmt: skip
def test_a_violation_says_where_it_is_and_what_is_wanted(content, said):
    assert violations(content) == (said,)


def test_a_violation_never_says_what_the_value_is():
    secret = "hunter2-hunter2"
    told = violations({"name": secret, "mail": secret, "size": secret, "a/b~c": secret})

    assert len(told) == 5
    assert secret not in "".join(told)
    assert "letmein" not in "".join(told)


@pytest.mark.parametrize(
    ("schema", "field", "message"),
    [
        ({}, "schema.type", 'it must be "object", which the content of a form is'),
        ({"type": "string"}, "schema.type", 'it must be "object"'),
        ({"type": ["object", "null"], "properties": {}}, "schema.type", 'it must be "object"'),
        ({"type": "object"}, "schema.properties", "it must be an object with a schema for each"),
        ({"type": "object", "properties": []}, "schema.properties", "it must be an object"),
        ({"type": "object", "properties": {}, "required": ["a"]}, "schema.required", "it must be"),
        ({"type": "object", "properties": {}, "required": "a"}, "schema.required", "it must be"),
        ({"type": "object", "properties": {}, "title": 1}, "schema.title", "it must be a text"),
        ({"type": "object", "properties": {}, "$schema": 1}, "schema.$schema", "it must be"),
        ({"type": "object", "properties": {}, "additionalProperties": {}},
         "schema.additionalProperties", "it must be true or false"),
        ({"type": "object", "properties": {}, "$defs": {}}, "schema.$defs", "a form takes no such"),
        ({"type": "object", "properties": {}, "allOf": []}, "schema.allOf", "a form takes no such"),
        ({"type": "object", "properties": {"a": True}}, "schema.properties.a", "it must be the"),
        ({"type": "object", "properties": {str(n): {} for n in range(MAX_PROPERTIES + 1)}},
         "schema.properties", "it has 101 properties; at most 100"),
    ],
)  # fmt: skip
def test_a_schema_that_is_no_form_is_refused(schema, field, message):
    found = faults(schema)
    assert any(at == field and said.startswith(message) for at, said in found), found
    assert violations({}, schema) == (
        "the schema cannot be used; withdraw the request, and ask with another",
    )


NESTED = {"type": "object", "properties": {"q": {"type": "string"}}}
TITLED = {"const": "a", "title": "A"}


@pytest.mark.parametrize(
    ("schema", "field"),
    [
        ({}, "type"),
        ({"type": "colour"}, "type"),
        ({"type": ["string", "null"]}, "type"),
        ({"type": "null"}, "type"),
        (NESTED, "type"),
        ({"$ref": "#"}, "type"),
        ({"type": "string", "$ref": "#"}, "$ref"),
        ({"type": "string", "const": 1}, "const"),
        ({"type": "string", "const": "a", "default": "b"}, "default"),
        ({"type": "string", "const": "a", "minLength": 1}, "minLength"),
        ({"type": "string", "examples": "a"}, "examples"),
        ({"type": "string", "deprecated": 1}, "deprecated"),
        ({"type": "string", "format": "hostname"}, "format"),
        ({"type": "string", "minLength": -1}, "minLength"),
        ({"type": "string", "maxLength": True}, "maxLength"),
        ({"type": "string", "minLength": 3, "maxLength": 2}, "minLength"),
        ({"type": "string", "pattern": 7}, "pattern"),
        ({"type": "string", "pattern": "("}, "pattern"),
        ({"type": "string", "pattern": r"(a)\1"}, "pattern"),
        ({"type": "string", "pattern": "(a{1000}){1000}"}, "pattern"),
        ({"type": "string", "pattern": "x" * 2001}, "pattern"),
        ({"type": "string", "default": 1}, "default"),
        ({"type": "string", "title": 1}, "title"),
        ({"type": "string", "description": "x" * 2001}, "description"),
        ({"type": "string", "enum": []}, "enum"),
        ({"type": "string", "enum": "ab"}, "enum"),
        ({"type": "string", "enum": ["a", 1]}, "enum"),
        ({"type": "string", "enum": ["a", "a"]}, "enum"),
        ({"type": "string", "enum": [str(n) for n in range(MAX_CHOICES + 1)]}, "enum"),
        ({"type": "string", "enum": ["a"], "minLength": 1}, "minLength"),
        ({"type": "string", "enum": ["a"], "default": "b"}, "default"),
        ({"type": "string", "enum": ["a", "b"], "enumNames": ["A"]}, "enumNames"),
        ({"type": "string", "oneOf": [{"const": "a"}]}, "oneOf"),
        ({"type": "string", "oneOf": [{**TITLED, "type": "string"}]}, "oneOf"),
        ({"type": "string", "oneOf": [TITLED, TITLED]}, "oneOf"),
        ({"type": "string", "oneOf": [TITLED], "default": "A"}, "default"),
        ({"type": "string", "anyOf": [TITLED]}, "anyOf"),
        ({"type": "number", "minimum": "1"}, "minimum"),
        ({"type": "number", "minimum": 2, "maximum": 1}, "minimum"),
        ({"type": "number", "exclusiveMinimum": True}, "exclusiveMinimum"),
        ({"type": "number", "exclusiveMinimum": 2, "exclusiveMaximum": 1}, "exclusiveMinimum"),
        ({"type": "integer", "multipleOf": 0}, "multipleOf"),
        ({"type": "integer", "multipleOf": "2"}, "multipleOf"),
        ({"type": "integer", "enum": [1.5]}, "enum"),
        ({"type": "number", "enum": []}, "enum"),
        ({"type": "number", "enum": ["1"]}, "enum"),
        ({"type": "number", "const": "1"}, "const"),
        ({"type": "boolean", "const": 1}, "const"),
        ({"type": "integer", "default": 1.5}, "default"),
        ({"type": "integer", "default": True}, "default"),
        ({"type": "boolean", "default": "true"}, "default"),
        ({"type": "boolean", "enum": [True]}, "enum"),
        ({"type": "array"}, "items"),
        ({"type": "array", "items": {"type": "string"}}, "items.enum"),
        ({"type": "array", "items": {"type": "number", "enum": ["1"]}}, "items.type"),
        ({"type": "array", "items": {"type": "string", "enum": [1]}}, "items.enum"),
        ({"type": "array", "items": {"anyOf": ["a"]}}, "items.anyOf"),
        ({"type": "array", "items": {"oneOf": [TITLED]}}, "items.oneOf"),
        ({"type": "array", "items": {"enum": ["a"]}, "minItems": 2, "maxItems": 1}, "minItems"),
        ({"type": "array", "items": {"enum": ["a"]}, "default": "a"}, "default"),
        ({"type": "array", "items": {"enum": ["a"]}, "default": ["b"]}, "default"),
        ({"type": "array", "items": {"enum": ["a"]}, "uniqueItems": 1}, "uniqueItems"),
    ],
)
def test_a_property_that_mcp_does_not_allow_is_refused_by_its_name(schema, field):
    assert f"schema.properties.p.{field}" in [at for at, _ in of_property(schema)]


def test_a_schema_has_a_limited_size():
    ((field, message),) = of_property({"type": "string", "enum": ["x" * 66_000]})

    assert field == "schema"
    assert message.endswith("bytes of JSON; at most 65536")


def test_content_has_a_limited_size_and_depth():
    (told,) = violations({"name": "x" * MAX_VALUE_BYTES})
    assert told.endswith(f"bytes of JSON; at most {MAX_VALUE_BYTES}")
    deep: object = "x"
    for _ in range(100_000):
        deep = [deep]
    assert violations({"name": deep}) == ("/name: is no text, number, boolean or list of texts",)


def test_of_many_violations_the_first_twenty_are_told():
    properties = {f"p{n}": {"type": "integer"} for n in range(50)}
    told = violations(dict.fromkeys(properties, "x"), {"type": "object", "properties": properties})

    assert len(told) == MAX_MESSAGES


def test_a_catastrophic_pattern_is_matched_in_linear_time():
    schema = {"type": "object", "properties": {"p": {"type": "string", "pattern": "^(a+)+$"}}}
    assert not faults(schema)

    start = time.process_time()
    assert violations({"p": "a" * 60_000 + "!"}, schema)
    assert time.process_time() - start < 5
