"""Which sessions exist for a principal: what it may not see is not there."""

from collections import OrderedDict
from collections.abc import Callable
from uuid import UUID

from application.ports.session.session_rows import RowLookup
from domain.errors import SessionNotFound
from domain.principal import Principal
from domain.values import Owner

_REMEMBERED = 10_000


class Sight:
    """Tells whether a session exists for somebody.

    Args:
        rows: Say whose each session is.
        owner_in_memory: Returns the same where that is known without asking; else None.
    """

    def __init__(
        self,
        rows: RowLookup,
        owner_in_memory: Callable[[UUID], Owner | None] = lambda _: None,
    ) -> None:
        self._rows = rows
        self._owner_in_memory = owner_in_memory
        self._seen: OrderedDict[tuple[str | None, str | None, UUID], None] = OrderedDict()

    async def require(self, principal: Principal, session_id: UUID) -> None:
        """Refuse a session that does not exist for a principal.

        Args:
            principal: Who asks.
            session_id: For which session.

        Raises:
            SessionNotFound: It is not there, or is another one's; nothing tells which.
        """
        if not await self.sees(principal, session_id):
            raise SessionNotFound

    async def require_stored(self, principal: Principal, session_id: UUID) -> None:
        """Refuse a session that does not exist, also for who sees all of them.

        Args:
            principal: Who asks.
            session_id: For which session.

        Raises:
            SessionNotFound: It is not there, or is another one's; nothing tells which.
        """
        await self.require(principal, session_id)
        if (
            principal.sees_all
            and self._owner_in_memory(session_id) is None
            and await self._rows.session(session_id) is None
        ):
            raise SessionNotFound

    async def sees(self, principal: Principal, session_id: UUID) -> bool:
        """Return whether a session exists for a principal.

        Only what is seen is remembered: a session of somebody else takes as long to look for as
        one that is not there.

        Args:
            principal: Who asks.
            session_id: For which session.
        """
        if principal.sees_all:
            return True
        key = (principal.app, principal.user, session_id)
        if key in self._seen:
            self._seen.move_to_end(key)
            return True
        owner = self._owner_in_memory(session_id)
        if owner is not None and principal.sees(owner.app, owner.user):
            return True
        row = await self._rows.session(session_id)
        if row is None or not principal.sees(row.app, row.user):
            return False
        self._seen[key] = None
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return True
