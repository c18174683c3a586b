"""What lists of sessions are filtered and sorted by."""

from collections.abc import Mapping
from typing import Annotated, Any, get_args
from uuid import UUID

from pydantic import Field

from api.http.incoming.query import PageQuery, Query
from api.http.incoming.query_values import (
    mark_flags,
    one_of,
    some_of,
    text,
    texts_by_name,
    uuids_from,
)
from api.v1.schemas.queries import Flag, Moment, Session, Text
from application.ports.session.listing import SessionFilter, SessionOrder, SortKey
from domain.badges import Badge
from domain.session.state import MARKS, Status
from domain.values import MAX_EXTERNAL_ID, SessionType

WithHealth = Annotated[Flag, Field(description="add how it is, and have that decide the badge")]
_SORTS = tuple(sign + key for key in get_args(SortKey) for sign in ("", "-"))


class SessionFilterQuery(Query):
    """Which sessions: each field but those of ids, marks and metadata is one of `SessionFilter`."""

    prefixes = ("metadata",)
    marks_of = MARKS

    app: Annotated[Text, Field(description="only those of this app")] = None
    user: Annotated[Text, Field(description="only those of this user")] = None
    workspace: Annotated[Text, Field(description="only those of this workspace")] = None
    team: Annotated[Text, Field(description="only those of this team")] = None
    scope: Annotated[Text, Field(description="only those of this scope")] = None
    agent: Annotated[Text, Field(description="only those of this agent")] = None
    type: Annotated[
        tuple[str, ...] | None,
        some_of(SessionType),
        Field(description="only those of one of these types"),
    ] = None
    tag: Annotated[Text, Field(description="only those of this tag")] = None
    status: Annotated[
        tuple[str, ...] | None,
        some_of(Status, but=("deleted", "erased")),
        Field(description="only those in one of these states"),
    ] = None
    badge: Annotated[
        tuple[str, ...] | None,
        some_of(Badge),
        Field(description="only those that are well, or not, in one of these ways"),
    ] = None
    parent: Annotated[Session, Field(description="only the children of this session")] = None
    root: Annotated[
        Session, Field(description="only those whose first ancestor is this session")
    ] = None
    forked_from: Annotated[Session, Field(description="only the forks of this session")] = None
    roots: Annotated[
        Flag,
        Field(description="only those that no other has spawned, or only those that one has"),
    ] = None
    marks: Annotated[Mapping[str, bool] | None, mark_flags(MARKS)] = None
    external_id: Annotated[
        str | None,
        text(MAX_EXTERNAL_ID),
        Field(description="only those that their maker calls so"),
    ] = None
    metadata: Annotated[
        Mapping[str, str] | None,
        texts_by_name("metadata"),
        Field(description="`metadata.KEY=TEXT`: only those whose metadata says so"),
    ] = None
    text: Annotated[Text, Field(description="only those with this in their title")] = None
    id_prefix: Annotated[
        tuple[UUID, UUID] | None,
        uuids_from(),
        Field(description="only those whose id begins with this"),
    ] = None
    created_after: Annotated[Moment, Field(description="only those created after this time")] = None
    created_before: Annotated[Moment, Field(description="only those created before this time")] = (
        None
    )
    updated_after: Annotated[Moment, Field(description="only those updated after this time")] = None
    updated_before: Annotated[Moment, Field(description="only those updated before this time")] = (
        None
    )
    active_after: Annotated[Moment, Field(description="only those active after this time")] = None
    active_before: Annotated[Moment, Field(description="only those active before this time")] = None

    def filter(self) -> SessionFilter:
        """Return the filter that this asks for."""
        first, last = self.id_prefix or (None, None)
        named: dict[str, Any] = {
            name: getattr(self, name)
            for name in SessionFilterQuery.model_fields
            if name not in ("metadata", "id_prefix", "marks")
        }
        marks = self.marks or {}
        return SessionFilter(
            **named,
            facets=self.metadata,
            first_id=first,
            last_id=last,
            marked=tuple(mark for mark, wanted in sorted(marks.items()) if wanted) or None,
            unmarked=tuple(mark for mark, wanted in sorted(marks.items()) if not wanted) or None,
        )


class ListSessionsQuery(PageQuery, SessionFilterQuery):
    """Which sessions, in which order, with what."""

    attachable: Annotated[
        Flag, Field(description="only those that somebody may attach to now, or may not")
    ] = None
    include_health: WithHealth = None
    sort: Annotated[
        str,
        one_of(_SORTS),
        Field(description="`-` is descending; `-last_activity_at` when absent"),
    ] = "-last_activity_at"

    def order(self) -> SessionOrder:
        """Return the order that this asks for."""
        key = next(key for key in get_args(SortKey) if key == self.sort.removeprefix("-"))
        return SessionOrder(key, descending=self.sort.startswith("-"))
