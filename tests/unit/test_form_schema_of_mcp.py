"""What the Python SDK of MCP makes of the fields of a form is taken, and content is held to it."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

import pytest
from pydantic import AnyUrl, BaseModel, ConfigDict, Field, create_model

from infrastructure.json_schema import FormSchemas

elicitation = pytest.importorskip(
    "mcp.server.elicitation", reason="the SDK of MCP comes with openai-agents: make setup-importers"
)

FIELDS: list[tuple[Any, Any, Any, str]] = [
    (str, "a", 1, "is not of type string"),
    (int | None, 3, "3", "is not of type integer"),
    (Annotated[str, Field(pattern="^a", min_length=2)], "ab", "b", "has less than 2 characters"),
    (Annotated[int, Field(ge=1, le=5)], 5, 6, "is more than 5"),
    (Annotated[int, Field(gt=1)], 2, 1, "is not more than 1"),
    (Annotated[float, Field(lt=5)], 4.5, 5, "is not less than 5"),
    (Annotated[int, Field(multiple_of=5)], 10, 11, "is no multiple of 5"),
    (bool, True, "yes", "is not of type boolean"),
    (Literal["a", "b"], "b", "c", "is not one of the values that the schema lists"),
    (Literal["a"], "a", "b", "is not the one value that the schema has"),
    (Literal[1, 2], 2, 3, "is not one of the values that the schema lists"),
    (Literal[7], 7, 8, "is not the one value that the schema has"),
    (Literal[True], True, False, "is not the one value that the schema has"),
    (list[Literal["a", "b"]], ["a"], ["c"], "is not one of the values that the schema lists"),
    (set[Literal["a", "b"]], ["a", "b"], ["a", "a"], "has an item twice"),
    (date, "2026-12-01", "soon", "is not in the format date"),
    (datetime, "2026-12-01T00:00:00Z", "soon", "is not in the format date-time"),
    (AnyUrl, "https://a.example", "", "has less than 1 characters"),
    (Annotated[str, Field(title="T", description="d", examples=["x"])], "x", 1, "is not of type"),
    (Annotated[str, Field(deprecated=True)], "x", 1, "is not of type string"),
    (
        Annotated[str, Field(json_schema_extra={"oneOf": [{"const": "a", "title": "A"}]})],
        "a",
        "b",
        "is not one of the values that the schema lists",
    ),
]


@pytest.mark.parametrize(("kind", "good", "bad", "why"), FIELDS)
def test_a_field_is_taken_and_held_to(kind: Any, good: Any, bad: Any, why: str) -> None:
    forms = FormSchemas()
    model = create_model("Form", field=(kind, ...))
    schema: dict[str, Any] = elicitation.render_elicitation_schema(model)

    assert not forms.faults_of_schema(schema)
    assert not forms.violations(schema, {"field": good})
    assert any(why in said for said in forms.violations(schema, {"field": bad}))


def test_a_form_with_defaults_and_a_docstring_is_taken() -> None:
    class Order(BaseModel):
        """What is bought."""

        model_config = ConfigDict(extra="forbid")
        name: str
        size: Literal["S", "M"] = "S"
        note: str | None = None

    schema: dict[str, Any] = elicitation.render_elicitation_schema(Order)

    assert not FormSchemas().faults_of_schema(schema)
    assert not FormSchemas().violations(schema, {"name": "anna"})
