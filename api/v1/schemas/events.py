"""The public form of every event: its envelope and, by its type, its data."""

from datetime import datetime
from functools import cache
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, GetJsonSchemaHandler, RootModel, TypeAdapter, create_model
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from api.v1.schemas.base import JsonMap, Name, Position, Sequence, Shape, one_of
from domain.log.catalogue import NAMES


class EventPlace(Shape):
    """Where an event stands, and what proves it."""

    session_id: UUID
    sequence: Annotated[int, Field(ge=1, description="1, 2, 3 ... in this session, no gap")]
    position: Annotated[int, Field(ge=1, description="1, 2, 3 ... over all sessions")]
    digest: Annotated[
        str,
        Field(
            pattern=r"^[0-9a-f]{64}$",
            description="SHA-256 over the digest before and the stored record: the chain",
        ),
    ]


class RecordEnvelope(EventPlace):
    """What every event says about itself."""

    id: UUID
    v: Annotated[int, Field(ge=1, description="the version of the meaning of `data`")]
    at: datetime
    actor: Annotated[str, Field(description="who asked, such as `user:ada`")]
    origin: Annotated[str, Field(description="the door it came through, such as `http`")]
    turn_id: Name | None = None
    causation: str | None = None
    idempotency_key: str | None = None
    claimed_actor: Annotated[
        str | None, Field(description="`Cairn-Actor`, where `actor` is the name of a token")
    ] = None


def _record(cls: type[Any], name: str, version: int) -> type[RecordEnvelope]:
    fields: dict[str, Any] = {
        "type": (Literal[name], ...),
        "data": (cls, Field(description=f"version {version}")),
    }
    return create_model(
        f"{cls.__name__}Record", __base__=RecordEnvelope, __doc__=cls.__doc__, **fields
    )


RECORDS: dict[str, type[RecordEnvelope]] = {
    name: _record(cls, name, version) for cls, (name, version) in NAMES.items()
}
"""The record of each type of event, made from the catalogue in `domain/session/events.py`."""


class Unreadable(Shape):
    """What is known of it."""

    type: Annotated[str, Field(description="the type that is stored beside the record")]


class UnreadableRecord(RecordEnvelope):
    """In the place of an event whose record is damaged; docs/repair.md says what to do."""

    type: Literal["unreadable"]
    data: Unreadable


class ErasedRecord(EventPlace):
    """What is left of an event that was erased; docs/erasure.md says what that is."""

    type: Annotated[str, Field(description="the type that the event had")]
    at: datetime | None
    erased: Literal[True]
    record_hash: Annotated[
        str,
        Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the record: the chain goes on"),
    ]


class OtherRecord(RecordEnvelope):
    """An event of a type that is not described here: one of another version, or program."""

    type: Annotated[str, Field(json_schema_extra={"not": {"enum": [*RECORDS, "unreadable"]}})]
    data: JsonMap


@cache
def _any() -> TypeAdapter[Any]:
    # Without a discriminator: readers that are generated from one refuse types they do not know.
    return TypeAdapter(one_of([*RECORDS.values(), UnreadableRecord, ErasedRecord, OtherRecord]))


class EventRecord(RootModel[Any]):
    """An event as it is stored: which fields `data` has depends on `type`."""

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Tell the records apart."""
        return handler(_any().core_schema)


class EventPage(Shape):
    """Events of one session, and where to go on."""

    events: list[EventRecord]
    next: Annotated[int, Field(ge=0, description="`since` of the page after this one")]
    head: Sequence
    up_to_date: Annotated[bool, Field(description="nothing was beyond this page")]
    closed: Annotated[bool, Field(description="the session was deleted: nothing will follow")]


class FeedPage(Shape):
    """Events of all sessions, and where to go on."""

    events: list[EventRecord]
    next: Annotated[int, Field(ge=0, description="`after` of the page after this one")]
    head: Position
    up_to_date: Annotated[bool, Field(description="nothing was beyond this page")]


class CloudEvent(Shape):
    """An event in the envelope of CloudEvents 1.0; `data` is the whole record."""

    specversion: Literal["1.0"]
    id: UUID
    source: Annotated[str, Field(json_schema_extra={"format": "uri-reference"})]
    type: str
    time: datetime | None = None
    subject: str
    datacontenttype: Literal["application/json"]
    sequence: Annotated[str, Field(pattern=r"^\d{19}$")]
    position: Annotated[str, Field(pattern=r"^\d+$")]
    data: EventRecord


class CloudEventBatch(RootModel[list[CloudEvent]]):
    """A page of events in the batch format of CloudEvents 1.0."""


class HistoryGroup(Shape):
    """Consecutive events of one turn, or those between turns."""

    turn_id: Annotated[str | None, Field(description="null between turns")]
    events: list[EventRecord]


class HistoryPage(Shape):
    """The log of a session, grouped by turn."""

    groups: list[HistoryGroup]
    next: Annotated[int, Field(ge=0, description="`since` of the page after this one")]
    head: Sequence
    up_to_date: bool
