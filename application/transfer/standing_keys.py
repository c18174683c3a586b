"""Shared keys keep the values that they had before an import.

The events of an imported session have new positions, so what they have written to a shared key
would count as the newest. Where others had written the key before, it is written once more, in the
log of its scope, with the value that it had: in the same transaction, so that no import that is
broken off leaves it with another value.
"""

from collections.abc import Mapping, Sequence
from uuid import UUID

from application.commands.request import Caller, ScopeRequest
from application.commands.scope_handler import ScopeHandler
from application.ports.log.append import Append
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

    async def beside(self, owner: ScopeOwner, writes: Sequence[SharedWrite]) -> Sequence[Append]:
        """Return what gives keys their values back, to be written together with what takes them.

        Whatever ends an import, no key is left with the value of another store.

        Args:
            owner: Whose log takes them.
            writes: What it writes.

        Raises:
            StaleScope: Somebody has just written to the scope.
        """
        keys: dict[UUID, list[str]] = {}
        for place in dict.fromkeys((one.scope_id, one.key) for one in writes):
            scope = self._plan.logs.get(place[0])
            if scope is not None and not scope.is_there:
                # The log of the scope is imported too, and must have come to its end before.
                self._later[place] = owner
            elif place not in self._new:
                keys.setdefault(place[0], []).append(place[1])
        return [
            append
            for scope_id, ones in keys.items()
            if (append := await self._of_scope(owner, scope_id, ones)) is not None
        ]

    async def end(self) -> None:
        """Look at the keys that had to wait."""
        for place, owner in self._later.items():
            await self._give_back(owner, *place)

    async def _of_scope(
        self, owner: ScopeOwner, scope_id: UUID, keys: Sequence[str]
    ) -> Append | None:
        # Before the values: what is written after them is refused.
        version = (await self._store.shared_state.scope(scope_id)).version
        standing = {
            key: found[0]
            for key in keys
            if (found := await self._standing(scope_id, key)) is not None
        }
        if not standing:
            return None
        request = self._request(owner, standing, expected=frozenset({version}))
        return await self._handler.beside(request)

    async def _give_back(self, owner: ScopeOwner, scope_id: UUID, key: str) -> None:
        found = None if (scope_id, key) in self._new else await self._standing(scope_id, key)
        if found is not None and not found[1]:
            await self._handler.handle(self._request(owner, {key: found[0]}, expected=None))

    async def _standing(self, scope_id: UUID, key: str) -> tuple[KeyWrite, bool] | None:
        """Return the newest write to a key that is not imported, and whether it is the newest."""
        before: int | None = None
        is_newest = True
        while page := await self._store.shared_state.key_history(
            scope_id, key, before=before, limit=_PAGE
        ):
            for write in page:
                if not self._is_imported(write):
                    return write, is_newest
                is_newest = False
            before = page[-1].position
        self._new.add((scope_id, key))
        return None

    def _is_imported(self, write: KeyWrite) -> bool:
        log = self._plan.logs.get(write.session_id)
        return log is not None and write.sequence <= log.header.head

    def _request(
        self,
        owner: ScopeOwner,
        standing: Mapping[str, KeyWrite],
        *,
        expected: frozenset[int] | None,
    ) -> ScopeRequest:
        user = owner.user if scope_of(next(iter(standing))) == "user" else None
        codec = self._store.codec
        patch = PatchScope(
            app=owner.app,
            user=user,
            set={
                key: codec.from_json(one.value)
                for key, one in standing.items()
                if one.value is not None
            },
            delete=tuple(key for key, one in standing.items() if one.value is None),
        )
        caller = self._caller._replace(origin="import", expected=expected, key=None)
        return caller.patches(patch)
