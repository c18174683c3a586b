"""Which logs are exported."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from uuid import UUID

from application.ports.log.census import Census
from application.ports.session.listing import After, SessionFilter, SessionOrder
from application.ports.session.session_rows import SessionLists
from application.projections.shared_state import scope_id

_LISTED = 200
_BEFORE_ALL = UUID(int=0)
_OLDEST_FIRST = SessionOrder("created_at", descending=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which logs are exported: those that are named, else those of a list, else all.

    Args:
        session_ids: Of sessions.
        where: Which sessions; with an app, and perhaps a user, their shared scopes come along.
        after: Go on behind this one.
        limit: The most logs; None is all of them.
        began: Leave out sessions that begin behind this position, unless they are named; None is
            the newest one.
    """

    session_ids: Sequence[UUID] = ()
    where: SessionFilter | None = None
    after: UUID | None = None
    limit: int | None = None
    began: int | None = None


class SelectedLogs:
    """Finds the logs of a selection.

    Args:
        rows: Knows the sessions of a list.
        census: Knows which logs there are.
    """

    def __init__(self, rows: SessionLists, census: Census) -> None:
        self._rows = rows
        self._census = census

    async def ids(self, wanted: Selection) -> AsyncGenerator[UUID]:
        """Yield the ids of the logs of a selection, sessions or not, in the order of their files.

        Args:
            wanted: Which.
        """
        if wanted.session_ids:
            named = list(dict.fromkeys(wanted.session_ids))
            after = wanted.after
            start = 0 if after is None or after not in named else named.index(after) + 1
            for session_id in named[start:]:
                yield session_id
        elif wanted.where is not None:
            async for log_id in self._listed(wanted.where, wanted.after):
                yield log_id
        else:
            after = wanted.after or _BEFORE_ALL
            while page := await self._census.sessions(after, _LISTED, changed_since=0):
                for log_id in page:
                    yield log_id
                after = page[-1]

    async def _listed(self, where: SessionFilter, after: UUID | None) -> AsyncGenerator[UUID]:
        scopes = []
        if where == SessionFilter(app=where.app, user=where.user) and where.app is not None:
            scopes = [scope_id(where.app, where.user)]
        place: After | None = None
        if after is not None and after not in scopes:
            row = await self._rows.session(after)
            if row is not None:
                place = After(row.created_at, after)
        elif after is None:
            for scope in scopes:
                yield scope
        while True:
            page = await self._rows.sessions(where, _OLDEST_FIRST, place, _LISTED)
            for listed in page:
                yield listed.session_id
            if len(page) < _LISTED:
                return
            place = After(page[-1].created_at, page[-1].session_id)
