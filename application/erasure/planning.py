"""Planning an erasure: a session with all that comes from it, in the order in which it goes.

What was forked from a session reads what that one has said: it goes before it.
"""

from collections.abc import Sequence
from uuid import UUID

from application.commands.repository import SessionRepository
from application.erasure.plans import Because, ErasurePlan, PlannedSession, SharedKeys
from application.errors import require_sequence
from application.ports.log.erasures import Erasures, Relation
from application.ports.session.session_rows import RowLookup
from application.projections.shared_state import user_scope
from domain.errors import SessionNotFound

_PAGE = 200
_BEFORE_ALL = UUID(int=0)
_FORK: Because = "fork"
_CHILD: Because = "child"


class ErasurePlanner:
    """Says what an erasure comes to before it is done.

    Args:
        rows: Of sessions.
        erasures: Knows what comes from which session.
        repository: Loads the states of sessions.
    """

    def __init__(self, rows: RowLookup, erasures: Erasures, repository: SessionRepository) -> None:
        self._rows = rows
        self._erasures = erasures
        self._repository = repository

    async def of_session(
        self,
        session_id: UUID,
        *,
        children: bool,
        shared_keys: SharedKeys = "kept",
        expected: frozenset[int] | None = None,
    ) -> ErasurePlan:
        """Return what the erasure of a session comes to.

        Args:
            session_id: Which.
            children: Erase the sessions that it has spawned too.
            shared_keys: What becomes of values in force that it gave to keys it shares.
            expected: The newest sequences that the caller allows; None allows any.

        Raises:
            SessionNotFound: There is none.
            StaleSequence: It is at another sequence than the caller allows.
        """
        row = await self._rows.session(session_id)
        if row is None:
            raise SessionNotFound
        plan = ErasurePlan(shared_keys=shared_keys)
        if row.status != "erased":
            # Forks are erased before it: what refuses it must be found before them.
            require_sequence(row.sequence, expected)
            asked = Relation(session_id, row.status, row.sequence)
            await self._add(plan, [(asked, "asked")], children=children)
        else:
            await self._add_family(plan, session_id, children=children)
        return plan

    async def of_user(self, app: str, user: str, *, shared_keys: SharedKeys) -> ErasurePlan:
        """Return what the erasure of a user comes to.

        Args:
            app: The app.
            user: The user.
            shared_keys: What becomes of values in force of the app's keys.
        """
        plan = ErasurePlan(shared_keys=shared_keys, user_scope=user_scope(app, user))
        after = _BEFORE_ALL
        while page := await self._erasures.sessions_of(app, user, after, _PAGE):
            after = page[-1].session_id
            await self._add(plan, [(one, "asked") for one in page], children=False)
        return plan

    async def _add_family(self, plan: ErasurePlan, session_id: UUID, *, children: bool) -> None:
        forks = await self._erasures.forks_of(session_id)
        family: list[tuple[Relation, Because]] = []
        family.extend((one, _FORK) for one in forks)
        if children:
            spawned = await self._erasures.children_of(session_id)
            family.extend((one, _CHILD) for one in spawned)
        await self._add(plan, family, children=children)

    async def _add(
        self, plan: ErasurePlan, wanted: Sequence[tuple[Relation, Because]], *, children: bool
    ) -> None:
        """Add sessions with all that comes from them, which stands before them."""
        there = {one.session_id for one in plan.sessions}
        waiting: list[tuple[Relation, Because, bool]] = []
        waiting.extend((relation, because, False) for relation, because in reversed(wanted))
        while waiting:
            relation, because, is_open = waiting.pop()
            if relation.session_id in there:
                continue
            if is_open:
                there.add(relation.session_id)
                plan.sessions.append(await self._planned(relation, because))
                continue
            waiting.append((relation, because, True))
            forks = await self._erasures.forks_of(relation.session_id)
            waiting.extend((one, _FORK, False) for one in forks)
            if children:
                spawned = await self._erasures.children_of(relation.session_id)
                waiting.extend((one, _CHILD, False) for one in spawned)

    async def _planned(self, relation: Relation, because: Because) -> PlannedSession:
        session_id = relation.session_id
        hold = (await self._repository.load(session_id)).session.lifecycle.legal_hold
        keys = await self._erasures.keys_in_force(session_id)
        return PlannedSession(
            session_id,
            because,
            relation.sequence,
            await self._erasures.footprint(session_id),
            [one.key for one in keys],
            None if hold is None else hold.reason,
        )
