"""Parameters that several reads have, and what they mean."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from api.http.incoming.addresses import NamesSession
from api.http.incoming.query import DEFAULT_LIMIT, MAX_EVENTS, Limit, Query
from api.http.incoming.query_times import duration, moment, sequence_or_moment
from api.http.incoming.query_values import (
    cursor_or_now,
    event_types,
    flag,
    go_flag,
    session_id,
    text,
    whole_number,
)

Text = Annotated[str | None, text()]
Flag = Annotated[bool | None, flag()]
Moment = Annotated[datetime | None, moment()]
Session = Annotated[UUID | None, session_id(), NamesSession()]
GoFlag = Annotated[bool, go_flag()]

Since = Annotated[
    int | None,
    cursor_or_now(),
    Field(description="go on after this sequence; absent or 0 is the beginning"),
]
After = Annotated[
    int | None,
    cursor_or_now(),
    Field(description="go on after this position; absent or 0 is the beginning"),
]
EventsLimit = Annotated[
    int,
    whole_number(1, MAX_EVENTS),
    Field(
        description="the most that is wanted; a page of large events ends sooner, and says where"
        " to go on"
    ),
]
Wait = Annotated[
    float,
    duration(),
    Field(description="wait so long for news, at most 60s: `30s`, `500ms` or `1m`"),
]
Types = Annotated[
    tuple[str, ...],
    event_types(),
    Field(
        description="only events of these types, comma-separated: names, or beginnings such as"
        " `turn.*`; filters never change sequences"
    ),
]
Store = Annotated[
    str | None,
    text(),
    Field(
        description="the store that the cursor comes from, as a snapshot names it; 409 if it is"
        " another"
    ),
]
Ticket = Annotated[
    str | None,
    text(),
    Field(
        description="instead of the header `Authorization`: what `POST /v1/tickets` gave, good once"
    ),
]
At = Annotated[
    int | datetime | None,
    sequence_or_moment(),
    Field(
        description="as it was after this event, or at this time; a time to come is that of the"
        " newest event"
    ),
]


class AtQuery(Query):
    """When: now, or in the past."""

    at: At = None


class KeyHistoryQuery(Query):
    """Which writes to a key."""

    before: Annotated[
        int | None,
        whole_number(1),
        Field(description="only writes before this one: a `next_before`"),
    ] = None
    limit: Limit = DEFAULT_LIMIT
