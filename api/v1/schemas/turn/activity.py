"""What an agent may report of its turn: the data of each type of event."""

import re
from typing import Annotated, Any, Literal, assert_never, cast

from pydantic import (
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    TypeAdapter,
    create_model,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core.core_schema import CoreSchema, any_schema

from api.http.incoming.bodies import validated
from api.http.outgoing.problems import Problem
from api.v1.schemas.base import Body, one_of
from api.v1.schemas.turn.activity_data import DATA, Count, Reportable
from domain.log.catalogue import NAMES
from domain.log.event_names import in_the_past, nearest, plain
from domain.session import events as e

_KIND = r"^[A-Za-z0-9][A-Za-z0-9_.:/-]{0,99}$"
Kind = Annotated[str, Field(pattern=_KIND)]


class Placed(Body):
    """With `partial`, where the piece belongs in its message."""

    offset: Annotated[
        Count | None, Field(description="with `partial`: how many code points are before it")
    ] = None
    index: Annotated[
        Count | None,
        Field(description="with `partial`, beside `offset`: how many pieces are before it"),
    ] = None


class ActivityBody(Placed):
    """One event: `data` is checked by its `type`; an unknown type is kept verbatim."""

    type: Kind
    data: Any = Field(default_factory=dict[str, Any])

    @classmethod
    def __get_pydantic_json_schema__(
        cls,
        core_schema: CoreSchema,
        handler: GetJsonSchemaHandler,
    ) -> JsonSchemaValue:
        """Tell what `activity_of` asks for: which data goes with which type."""
        return handler(_reports.core_schema)


_RESERVED = frozenset(name for name, _ in NAMES.values()) - DATA.keys()


def _report(name: str, model: type[Body]) -> type[Body]:
    needed = any(field.is_required() for field in model.model_fields.values())
    data = (model, ...) if needed else (model, Field(default_factory=dict[str, Any]))
    fields: dict[str, Any] = {"type": (Literal[name], ...), "data": data}
    title = name.title().replace(".", "")
    return create_model(f"{title}Report", __base__=Placed, __doc__=f"A `{name}`.", **fields)


class OtherReport(Placed):
    """Any other type: it is recorded as a `runtime.event` of this kind."""

    type: Annotated[
        Kind, Field(json_schema_extra={"not": {"enum": [*sorted({*DATA, *_RESERVED})]}})
    ]
    data: Any = Field(default_factory=dict[str, Any])


_reports: TypeAdapter[Any] = TypeAdapter(
    one_of([*(_report(name, model) for name, model in DATA.items()), OtherReport])
)


class _AsItCame:
    """Takes anything, and tells what `ActivityBody` takes, which judges it later."""

    def __get_pydantic_core_schema__(self, _: Any, __: GetCoreSchemaHandler) -> CoreSchema:
        return any_schema()

    def __get_pydantic_json_schema__(
        self, _: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return handler(_reports.core_schema)


UnjudgedActivity = Annotated[Any, _AsItCame()]
"""An event of a batch before it is judged: one after the other, so that a refusal can say which."""


_RUN_ON = {name.replace(".", "").replace("_", ""): name for name in (*DATA, *_RESERVED)}


def _meant_by(kind: str) -> str | None:
    """Return the type of ours that one which we do not know was probably meant to be."""
    name = plain(kind)
    if name in DATA or name in _RESERVED:
        return name
    if (run_on := _RUN_ON.get(name.replace(".", ""))) is not None:
        return run_on
    # Other programs have names of their own near ours, such as session.updated: what an agent
    # does not report is only meant by one that says the same.
    return in_the_past(name, _RESERVED) or (nearest(name, DATA) if "." in kind else None)


def verbatim(raw: Any) -> e.RuntimeEvent:
    """Return an event as it came, for the place of one that is not right.

    Args:
        raw: A JSON value; its `type`, if that is one, is the kind of the event, else `invalid`.
    """
    kind = cast("dict[str, Any]", raw).get("type") if isinstance(raw, dict) else None
    is_kind = isinstance(kind, str) and re.fullmatch(_KIND, kind)
    return e.RuntimeEvent(kind=cast("str", kind) if is_kind else "invalid", data=raw)


def activity_of(body: ActivityBody, at: str) -> e.ActivityEvent:
    """Return the event that a report stands for.

    Args:
        body: Its type and data.
        at: Where in the request it stands, for the refusal.

    Raises:
        Problem: The data does not fit the type, or the type is not an agent's to report.
    """
    name = cast("Reportable", body.type)
    model = DATA.get(name)
    if model is None:
        if body.type in _RESERVED:
            detail = f"{at}.type: {body.type} has a command of its own and cannot be reported"
            raise Problem("invalid", detail, errors=[{"field": f"{at}.type", "message": detail}])
        meant = _meant_by(body.type)
        if meant is not None:
            detail = f"{at}.type: {body.type} is no type of event; did you mean `{meant}`?"
            raise Problem("invalid", detail, errors=[{"field": f"{at}.type", "message": detail}])
        return e.RuntimeEvent(kind=body.type, data=body.data)
    return _to_domain(name, validated(model, body.data, f"{at}.data"))


def _to_domain(name: Reportable, data: Any) -> e.ActivityEvent:
    match name:
        case "agent.message":
            return e.AgentMessage(
                parts=tuple(data.parts), message_id=data.message_id, meta=data.meta
            )
        case "agent.thought":
            return e.AgentThought(
                parts=tuple(data.parts), message_id=data.message_id, meta=data.meta
            )
        case "tool.called":
            return e.ToolCalled(**dict(data))
        case "tool.progressed":
            return e.ToolProgressed(**dict(data))
        case "tool.returned":
            return e.ToolReturned(**dict(data))
        case "plan.updated":
            return e.PlanUpdated(entries=tuple(data.entries), meta=data.meta)
        case "usage.reported":
            return e.UsageReported(**dict(data))
        case "runtime.notice":
            return e.RuntimeNotice(**dict(data))
        case "agent.switched":
            return e.AgentSwitched(agent=data.agent.to_domain(), reason=data.reason, meta=data.meta)
        case "context.compacted":
            return e.ContextCompacted(**dict(data))
        case _:
            assert_never(name)
