"""How sessions are: what their rows say, who drives them, and who vouches for them.

All is computed when somebody asks, from two reads for a whole page of sessions; nothing is written.
A sign of life is a row. Events say only that the process of an agent became unhealthy, or healthy
again.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Generic, NamedTuple, TypeVar

from application.ports.session.leases import Lease, Presence, Sign
from application.ports.session.listing import After, ListedSession, SessionFilter, SessionOrder
from application.ports.session.session_rows import SessionLists
from domain.badges import (
    CANCELLATION,
    Badge,
    Info,
    badge_for_health,
    badge_for_log,
    drivable,
    failure_now,
    state_of,
)
from domain.health import HealthRow, health_row, mark_stale

_PROMPTING = frozenset({"running", "waiting"})
_READ = 200
_MOST_SCANNED = 1000


@dataclass(frozen=True, slots=True)
class HealthFacts:
    """What the row of a session says that matters here.

    Args:
        info: The session, its lease aside.
        unhealthy: Whoever runs its agent said last that the process is not well.
        failure: Why it failed, for people.
    """

    info: Info
    unhealthy: bool
    failure: str | None

    @property
    def badge(self) -> Badge:
        """The one word for the session, as lists show it."""
        return badge_for_log(self.info, unhealthy=self.unhealthy)


class DrivenSession(NamedTuple):
    """Who drives a session, and whether somebody may attach to it now."""

    session: ListedSession
    lease: Lease | None
    attachable: bool


class Checkup(NamedTuple):
    """How a session is at the moment at which somebody looks.

    Args:
        session: Its row.
        health: By its row, its lease and its presence.
        badge: By its health.
        lease: Who drives it; None when nobody does.
        sign: Who vouched for it last; None when nobody ever did.
        last_error: What is wrong with it, for people; None when nothing is.
    """

    session: ListedSession
    health: HealthRow
    badge: Badge
    lease: Lease | None
    sign: Sign | None
    last_error: str | None

    @property
    def attachable(self) -> bool:
        """Whether somebody may attach to it now."""
        return self.health.attachable

    @property
    def standing(self) -> DrivenSession:
        """Who drives it."""
        return DrivenSession(self.session, self.lease, self.attachable)


_T = TypeVar("_T", Checkup, DrivenSession)


class CheckupPage(NamedTuple, Generic[_T]):
    """Some of the sessions that are wanted.

    Args:
        found: In order.
        last: The session to go on after; None at the end of the list.
    """

    found: Sequence[_T]
    last: ListedSession | None


class Checkups:
    """Looks after the health of sessions.

    Args:
        rows: Of sessions, with their leases.
        presence: Keeps signs of life.
    """

    def __init__(self, rows: SessionLists, presence: Presence) -> None:
        self._rows, self._presence = rows, presence

    async def of(self, sessions: Sequence[ListedSession]) -> Sequence[Checkup]:
        """Return how sessions are, in their order.

        Args:
            sessions: A page of them; it takes one read, however many they are.
        """
        if not sessions:
            return ()
        ids = [session.session_id for session in sessions]
        signs = await self._presence.of(ids)
        return [
            _checkup(
                session,
                facts_of(session),
                session.lease,
                signs.get(session.session_id),
            )
            for session in sessions
        ]

    async def standing(self, sessions: Sequence[ListedSession]) -> Sequence[DrivenSession]:
        """Return who drives sessions, in their order.

        Args:
            sessions: A page of them; it takes no read.
        """
        return [DrivenSession(session, session.lease, _attachable(session)) for session in sessions]

    async def search(
        self,
        where: SessionFilter,
        order: SessionOrder,
        after: After | None,
        limit: int,
        look: Callable[[Sequence[ListedSession]], Awaitable[Sequence[_T]]],
        wanted: Callable[[_T], bool] | None = None,
    ) -> CheckupPage[_T]:
        """Return sessions that are well, ill or driven in some way.

        To find those that are `wanted` it looks at a thousand sessions at most: such a page may be
        short, even empty, and not the last.

        Args:
            where: Which sessions to look at.
            order: In which order.
            after: The last one of the page before.
            limit: The most that are returned.
            look: What is to be known of them: `of`, or `standing`.
            wanted: Tells which ones; None is all.
        """
        if wanted is None:
            rows = await self._rows.sessions(where, order, after, limit + 1)
            return CheckupPage(
                await look(rows[:limit]), rows[limit - 1] if len(rows) > limit else None
            )
        found: list[_T] = []
        scanned = 0
        while True:
            rows = await self._rows.sessions(where, order, after, _READ)
            last_page = len(rows) < _READ
            for index, one in enumerate(await look(rows), 1):
                scanned += 1
                if wanted(one):
                    found.append(one)
                if len(found) == limit or scanned == _MOST_SCANNED:
                    at_the_end = last_page and index == len(rows)
                    return CheckupPage(found, None if at_the_end else one.session)
            if last_page:
                return CheckupPage(found, None)
            after = After(getattr(rows[-1], order.by) or "", rows[-1].session_id)


def facts_of(session: ListedSession) -> HealthFacts:
    """Return what the row of a session says of its health.

    Args:
        session: The row.
    """
    kind = session.failure_kind or ""
    info = _info(session.status, kind, session.turn_id or "", stalled=session.stalled)
    why = (session.failure_summary or kind) if kind not in ("", CANCELLATION) else None
    return HealthFacts(info, session.unhealthy, why)


def _info(status: str, kind: str, turn_id: str, *, stalled: bool) -> Info:
    state = state_of(status)
    return Info(
        state=state,
        failure_kind=failure_now(state, kind),
        stall_state="stalled" if stalled else "",
        turn_id=turn_id,
    )


def _attachable(session: ListedSession) -> bool:
    # A lease that was found is in force: no other clock is asked about it again.
    return session.lease is None and _drivable(
        session.status, session.failure_kind or "", session.stalled
    )


@lru_cache(256)
def _drivable(status: str, kind: str, stalled: bool) -> bool:
    # Lists ask it of each row, and nearly all rows are alike. Whether a turn runs does not matter.
    return drivable(_info(status, kind, "", stalled=stalled))


def _checkup(
    session: ListedSession, facts: HealthFacts, lease: Lease | None, sign: Sign | None
) -> Checkup:
    info = facts.info
    row = health_row(
        state=info.state,
        active_prompt=session.status in _PROMPTING,
        stalled=info.stalled,
        unhealthy=facts.unhealthy,
        attachable=_attachable(session),
    )
    health = mark_stale(row, sign.age if sign else None)
    # What was said of a process that is well is no error.
    said = sign.detail if sign and facts.unhealthy and sign.process == "unhealthy" else None
    return Checkup(
        session, health, badge_for_health(info, health), lease, sign, said or facts.failure
    )
