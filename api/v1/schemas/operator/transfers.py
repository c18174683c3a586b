"""Exports and imports as bodies and answers."""

from typing import Annotated

from pydantic import ConfigDict, Field

from api.http.incoming.addresses import MOST_NAMED
from api.v1.schemas.base import Body, Name, SessionAddress, Uuid, all_of

FILTERS = ("app", "user", "workspace", "agent", "status", "tag")
"""The fields of an export that say which sessions of a list are exported."""


class ExportBody(Body):
    """Which logs to export: the sessions that are named, else those of a list, else all."""

    model_config = ConfigDict(
        json_schema_extra={"not": {"anyOf": [all_of("session_ids", one) for one in FILTERS]}}
    )

    session_ids: Annotated[
        list[SessionAddress] | None, Field(min_length=1, max_length=MOST_NAMED)
    ] = None
    app: Name | None = None
    user: Name | None = None
    workspace: Name | None = None
    agent: Name | None = None
    status: Name | None = None
    tag: Name | None = None
    after: Annotated[
        Uuid | None, Field(description="go on behind this log, as `next` in the manifest says")
    ] = None
    began: Annotated[
        int | None,
        Field(ge=0, description="leave out what begins behind this position, as `began` says"),
    ] = None
    limit: Annotated[int | None, Field(ge=1, le=100_000, description="the most logs")] = None
