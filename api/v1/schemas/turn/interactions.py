"""Requests that wait for a person: what is asked, and how it is decided."""

from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    RootModel,
    StringConstraints,
    TypeAdapter,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from api.http.incoming.bodies import validated
from api.v1.schemas.base import (
    NAME_PATTERN,
    Body,
    JsonMap,
    Name,
    ProviderId,
    one_of,
)
from api.v1.schemas.commands import Detail
from api.v1.schemas.turn.activity_data import whole
from domain.session.interaction.elicitations import MAX_MESSAGE, MAX_URL, URL_PATTERN
from domain.session.interaction.form_schema import MAX_PROPERTIES
from domain.session.interaction.permission_requests import (
    MAX_ASKED,
    MAX_OPTION_NAME,
    MAX_OPTIONS,
    UNDECIDED,
)
from domain.values import Grant

MAX_TIMEOUT = 7 * 24 * 3600

Timeout = Annotated[
    int,
    Field(ge=1, le=MAX_TIMEOUT, description="seconds to decide; when left out, for ever"),
    BeforeValidator(whole),
]
Message = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_MESSAGE),
    Field(json_schema_extra={"pattern": r"\S"}),
]
Url = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_URL, pattern=URL_PATTERN),
]


class OptionBody(Body):
    """One answer on offer."""

    option_id: Name
    name: Annotated[str, StringConstraints(min_length=1, max_length=MAX_OPTION_NAME)]
    kind: Annotated[
        Name,
        ProviderId,
        Field(
            description="such as `allow_once`, `allow_always`, `reject_once`, `reject_always`",
            json_schema_extra={"pattern": NAME_PATTERN, "not": {"enum": list(UNDECIDED)}},
        ),
    ]


class AskPermissionBody(Body):
    """May the agent do this? For a named `tool` the rules of the session may decide at once."""

    kind: Literal["permission"] = "permission"
    request_id: ProviderId | None = None
    turn_id: Name
    options: Annotated[list[OptionBody], Field(min_length=1, max_length=MAX_OPTIONS)]
    tool_call_id: ProviderId | None = None
    title: Annotated[
        str | None,
        Field(max_length=MAX_ASKED, description="as the agent puts it, in several lines"),
    ] = None
    tool: Name | None = None
    arguments: JsonMap | None = None
    read_only: Annotated[bool, Field(description="the tool says that it changes nothing")] = False
    timeout_seconds: Timeout | None = None
    meta: JsonMap | None = None


class _ElicitBody(Body):
    kind: Literal["elicitation"]
    request_id: ProviderId | None = None
    turn_id: Annotated[
        Name | None, Field(description="left out, it may outlive turns, and comes from none")
    ] = None
    message: Message
    timeout_seconds: Timeout | None = None
    meta: JsonMap | None = None


class ElicitFormBody(_ElicitBody):
    """What is to be filled in: content that fits a JSON Schema."""

    form: Annotated[
        JsonMap,
        Field(
            alias="schema",
            json_schema_extra={
                "properties": {
                    "type": {"const": "object"},
                    "properties": {"type": "object", "maxProperties": MAX_PROPERTIES},
                },
                "required": ["type", "properties"],
            },
            description="a flat object, as MCP has it: texts, numbers, booleans and choices",
        ),
    ]


class ElicitVisitBody(_ElicitBody):
    """What is to be done at a URL."""

    url: Url


class DecideBody(Body):
    """Which option of a permission was chosen, and how far that goes."""

    option_id: Name
    grant: Annotated[
        Grant,
        Field(description="`session` switches tool approval on, `tool` adds an allow rule"),
    ] = "once"
    reason: Detail | None = None
    arguments: Annotated[
        JsonMap | None,
        Field(description="with what the tool may be called, instead of what was asked for"),
    ] = None


class AnswerBody(Body):
    """The content of an elicitation, or that there will be none."""

    action: Annotated[
        Literal["accept", "decline", "cancel"],
        Field(description="`cancel` turns away without an answer: it is decided as `cancelled`"),
    ]
    content: JsonMap | None = None


class _OneOf(RootModel[JsonMap]):
    """One of several bodies, by what it has: refusals name the fields as the client wrote them."""

    model_config = ConfigDict(strict=True, frozen=True, defer_build=True)


def _schema_of(*models: type[Body]) -> Any:
    adapter: TypeAdapter[Any] = TypeAdapter(one_of(models))
    return adapter.core_schema


class RequestInteractionBody(_OneOf):
    """What the agent asks: for a permission, or with kind `elicitation` for content."""

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Tell what `asked` takes."""
        return handler(_schema_of(AskPermissionBody, ElicitFormBody, ElicitVisitBody))

    def asked(self) -> AskPermissionBody | ElicitFormBody | ElicitVisitBody:
        """Return what is asked.

        Raises:
            Problem: 422, it is none of these.
        """
        if self.root.get("kind", "permission") != "elicitation":
            return validated(AskPermissionBody, self.root)
        if "url" in self.root and "schema" not in self.root:
            return validated(ElicitVisitBody, self.root)
        return validated(ElicitFormBody, self.root)


class DecideInteractionBody(_OneOf):
    """The option of a permission, or the answer to an elicitation."""

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Tell what `decided` takes."""
        return handler(_schema_of(DecideBody, AnswerBody))

    def decided(self) -> DecideBody | AnswerBody:
        """Return the decision.

        Raises:
            Problem: 422, it is neither.
        """
        if "action" in self.root:
            return validated(AnswerBody, self.root)
        return validated(DecideBody, self.root)


class WithdrawBody(Body):
    """Why nobody need decide any more."""

    reason: Name = "withdrawn"
