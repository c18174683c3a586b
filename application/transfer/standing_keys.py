"""Shared keys keep the values that they had before an import.

The events of an imported session have new positions, so what they have written to a shared key
would count as the newest. Where others had written the key before, it is written once more, in the
log of its scope, with the value that it had.
"""

from collections.abc import Sequence
from uuid import UUID

from application.commands.request import Caller
from application.commands.scope_handler import ScopeHandler
from application.ports.session.shared_state import KeyWrite, ScopeOwner, SharedWrite
from application.ports.store import Store
from application.transfer.plans import ImportPlan
from domain.scope.rules import PatchScope
from domain.scope.state_keys import scope_of

_PAGE = 100


class StandingKeys:
    """Gives keys their values back.

    Args:
        store: Where they are.
        handler: Writes them.
        plan: Whose writes do not count.
        caller: Who imports.
    """

    def __init__(
        self, store: Store, handler: ScopeHandler, plan: ImportPlan, caller: Caller
    ) -> None:
        self._store = store
        self._handler = handler
        self._plan = plan
        self._caller = caller
        self._new: set[tuple[UUID, str]] = set()
        self._later: dict[tuple[UUID, str], ScopeOwner] = {}

    async def give_back(self, owner: ScopeOwner, writes: Sequence[SharedWrite]) -> None:
        """Look at the keys that an import has just written.

        Args:
            owner: Whose log did it.
            writes: What it wrote.
        """
        for place in dict.fromkeys((one.scope_id, one.key) for one in writes):
            scope = self._plan.logs.get(place[0])
            if scope is not None and not scope.is_there:
                # The log of the scope is imported too, and must have come to its end before.
                self._later[place] = owner
            else:
                await self._give_back(owner, *place)

    async def end(self) -> None:
        """Look at the keys that had to wait."""
        for place, owner in self._later.items():
            await self._give_back(owner, *place)

    async def _give_back(self, owner: ScopeOwner, scope_id: UUID, key: str) -> None:
        if (scope_id, key) in self._new:
            return
        before: int | None = None
        is_newest = True
        while page := await self._store.shared_state.key_history(
            scope_id, key, before=before, limit=_PAGE
        ):
            for write in page:
                if not self._is_imported(write):
                    if not is_newest:
                        await self._write(owner, write, key)
                    return
                is_newest = False
            before = page[-1].position
        self._new.add((scope_id, key))

    def _is_imported(self, write: KeyWrite) -> bool:
        log = self._plan.logs.get(write.session_id)
        return log is not None and write.sequence <= log.header.head

    async def _write(self, owner: ScopeOwner, write: KeyWrite, key: str) -> None:
        app, user = owner.app, owner.user if scope_of(key) == "user" else None
        if write.value is None:
            patch = PatchScope(app=app, user=user, delete=(key,))
        else:
            value = self._store.codec.from_json(write.value)
            patch = PatchScope(app=app, user=user, set={key: value})
        caller = self._caller._replace(origin="import", expected=None, key=None)
        await self._handler.handle(caller.patches(patch))
