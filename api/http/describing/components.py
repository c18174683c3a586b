"""The component schemas of the OpenAPI document, from the wire models, as generators like them."""

from collections.abc import Iterable
from typing import Any, cast

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema, to_json

from api.http.describing.glossary import describe_fields
from api.http.describing.named_enums import name_enums
from api.http.describing.route_docs import Describes
from api.v1.schemas.answers import Problem
from api.v1.schemas.events import EventRecord

Json = dict[str, Any]

REFERENCE = "#/components/schemas/{model}"


class _Bodies(GenerateJsonSchema):
    """Without the titles that only repeat a field's name."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's
        return False


class _Answers(_Bodies):
    """A field with a default is one that may be absent; it is then not there, never null."""

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        inner: Any = schema["schema"]
        return self.generate_inner(inner["schema"] if inner["type"] == "nullable" else inner)


def components(described: Iterable[Describes]) -> Json:
    """Return the schemas of all models that some routes name.

    Args:
        described: What the routes say about themselves.
    """
    bodies: dict[str, type[BaseModel]] = {}
    answers: dict[str, type[BaseModel]] = {one.__name__: one for one in (Problem, EventRecord)}
    for one in described:
        if one.body is not None:
            bodies[one.body.__name__] = one.body
        for model in (*one.answers.values(), *one.other_forms.values()):
            if isinstance(model, type):
                answers[model.__name__] = model
    shown = _definitions(answers.values(), _Answers)
    # The domain keeps parts as they came; what may come is known here.
    part = shown["MessageEntry"]["properties"]["parts"]["items"]
    for name, definition in shown.items():
        if name != "UiMessage" and "parts" in definition.get("properties", {}):
            definition["properties"]["parts"]["items"] = part
        # What we add to an answer must break no client: all of them are open.
        if definition.get("additionalProperties") is False:
            del definition["additionalProperties"]
    asked = _definitions(bodies.values(), _Bodies)
    for definition in asked.values():
        for field in definition.get("properties", {}).values():
            _tell_default(field)
    schemas = {**asked, **shown}
    name_enums(schemas)
    describe_fields(schemas)
    return schemas


def _tell_default(field: Json) -> None:
    # In words: what has a `default` must be given, in the types that openapi-typescript makes.
    default = field.pop("default", None)
    if default not in (None, "", [], {}):
        told = f"`{to_json(default).decode()}` if absent"
        field["description"] = f"{field['description']}; {told}" if "description" in field else told


def _definitions(models: Iterable[type[BaseModel]], generator: type[GenerateJsonSchema]) -> Json:
    _, schema = models_json_schema(
        [(model, "validation") for model in models],
        ref_template=REFERENCE,
        schema_generator=generator,
    )
    definitions: Json = cast("Json", schema["$defs"])
    for definition in definitions.values():
        definition.pop("title", None)
        if "description" in definition:
            definition["description"] = " ".join(definition["description"].split())
    return definitions
