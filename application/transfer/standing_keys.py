"""Shared keys keep the values that they had before an import.

The events of an imported session have new positions, so what they have written to a shared key
would count as the newest. Where others had written the key before, it is written once more, in the
log of its scope, with the value that it had: in the same transaction, so that no import that is
broken off leaves it with another value. Where the log of the scope is imported too, nothing may
come in between: then all its keys are given their values back in the transaction that ends it, and
an import that was broken off before is run again.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from uuid import UUID

from application.commands.request import Caller, ScopeRequest
from application.commands.scope_handler import ScopeHandler
from application.ports.log.append import Append
from application.ports.log.codec import Codec
from application.ports.session.shared_state import (
    KeyValue,
    KeyWrite,
    ScopeOwner,
    ScopeVersion,
    SharedState,
    SharedWrite,
)
from application.transfer.plans import ImportPlan, PlannedLog
from domain.scope.rules import PatchScope
from domain.scope.state_keys import scope_of

_PAGE = 100
_WRITES = 1000


@dataclass(slots=True)
class _Scope:
    """What is known of a scope: its version, and keys that nobody but imports has written yet."""

    version: int
    imported: set[str] = field(default_factory=set[str])


@dataclass(frozen=True, slots=True)
class Beside:
    """What has to be true, and to be written, where an append takes values from shared keys.

    Args:
        companions: They give keys their values back.
        expected: The versions of the other scopes: nobody has written to them since it was looked.
    """

    companions: Sequence[Append]
    expected: Sequence[ScopeVersion]


class StandingKeys:
    """Gives keys their values back.

    Args:
        shared_state: Where they are.
        codec: Reads their values.
        handler: Writes them.
        plan: Whose writes do not count.
        caller: Who imports.
    """

    def __init__(
        self,
        shared_state: SharedState,
        codec: Codec,
        handler: ScopeHandler,
        plan: ImportPlan,
        caller: Caller,
    ) -> None:
        self._shared_state = shared_state
        self._codec = codec
        self._handler = handler
        self._plan = plan
        self._caller = caller
        self._known: dict[UUID, _Scope] = {}
        self._growing = {
            log_id: log.header.scope
            for log_id, log in plan.logs.items()
            if log.kind == "scopes" and not log.is_there
        }
        self._waiting: dict[UUID, ScopeOwner] = {}

    def turns(self, append: Append) -> AbstractAsyncContextManager[None]:
        """Keep everybody else of this process from patching the scopes that an append is about.

        Args:
            append: Of an imported log.
        """
        scopes = {one.scope_id for one in append.shared}
        if append.scope is not None:
            scopes.add(append.session_id)
        return self._handler.turns.of_all(scopes)

    async def beside(self, owner: ScopeOwner, writes: Sequence[SharedWrite]) -> Beside:
        """Return what gives keys their values back, to be written together with what takes them.

        Those of a scope whose log is not whole yet have to wait; see `behind`.

        Args:
            owner: Whose log takes them.
            writes: What it writes.

        Raises:
            StaleScope: Somebody has just written to the scope.
        """
        keys: dict[UUID, set[str]] = {}
        for one in writes:
            if one.scope_id in self._growing:
                self._waiting[one.scope_id] = owner
            else:
                keys.setdefault(one.scope_id, set()).add(one.key)
        companions: list[Append] = []
        expected: list[ScopeVersion] = []
        for scope_id, ones in keys.items():
            version, standing = await self._standing_in(scope_id, ones)
            if standing:
                request = self._request(owner, standing, version)
                companions.append(await self._handler.beside(request))
            else:
                expected.append(ScopeVersion(scope_id, version))
        return Beside(companions, expected)

    def written(self, append: Append, position: int) -> None:
        """Hear that an append is there, with its companions.

        Args:
            append: As `beside` has made it ready.
            position: Of its last event.
        """
        first = position - len(append.events) + 1
        for one in append.shared:
            known = self._known.get(one.scope_id)
            if known is not None:
                known.version = first + one.offset
        for companion in append.companions:
            self._known.pop(companion.session_id, None)

    def refused(self, append: Append) -> None:
        """Hear that somebody has written to a scope since `beside` has looked.

        Args:
            append: Of an imported log.
        """
        for one in append.shared:
            self._known.pop(one.scope_id, None)

    async def behind(self, append: Append) -> Append:
        """Return the last append of an imported log of a scope, and behind it what had to wait.

        Args:
            append: Of that log.

        Raises:
            StaleScope: Somebody has just written to the scope.
        """
        scope_id = append.session_id
        owner = self._growing.get(scope_id) or self._waiting.get(scope_id)
        if owner is None:
            return append
        version = (await self._shared_state.scope(scope_id)).version
        values: dict[str, bytes | None] = {}
        taken: set[str] = set()
        after = 0
        while page := await self._shared_state.writes(scope_id, after=after, limit=_WRITES):
            for write in page:
                if self._log_of(write) is None:
                    values[write.key] = write.value
                    taken.discard(write.key)
                else:
                    taken.add(write.key)
            after = page[-1].position
        taken |= {one.key for one in append.shared}
        standing = {key: value for key, value in values.items() if key in taken}
        if not standing:
            return append
        return await self._handler.behind(append, self._request(owner, standing, version))

    def ended(self, log_id: UUID) -> None:
        """Hear that all of a log is there."""
        self._growing.pop(log_id, None)

    async def _standing_in(
        self, scope_id: UUID, keys: AbstractSet[str]
    ) -> tuple[int, Mapping[str, bytes | None]]:
        """Return the version of a scope, and the values that keys must keep at that version."""
        known = self._known.get(scope_id)
        if known is not None and keys <= known.imported:
            return known.version, {}
        # Before the values: what is written after them is refused.
        version = (await self._shared_state.scope(scope_id)).version
        if known is None or known.version != version:
            known = self._known[scope_id] = _Scope(version)
        standing: dict[str, bytes | None] = {}
        for key in sorted(keys - known.imported):
            found = await self._standing(scope_id, key)
            if found is None:
                known.imported.add(key)
            else:
                standing[key] = found.value
        return version, standing

    async def _standing(self, scope_id: UUID, key: str) -> KeyWrite | None:
        """Return the write whose value a key has to keep; None when only what is imported wrote it.

        An import that was broken off has given the key its value back. So the newest write that
        was there before is the one, also when it is one of a session that is imported once more.
        """
        before: int | None = None
        newest: KeyWrite | None = None
        while page := await self._shared_state.key_history(
            scope_id, key, before=before, limit=_PAGE
        ):
            for write in page:
                log = self._log_of(write)
                if log is None:
                    return newest or write
                if newest is None and write.sequence <= log.start:
                    newest = write
            before = page[-1].position
        return None

    def _log_of(self, write: KeyWrite | KeyValue) -> PlannedLog | None:
        """Return the imported log that a write is in."""
        log = self._plan.logs.get(write.session_id)
        return log if log is not None and write.sequence <= log.header.head else None

    def _request(
        self, owner: ScopeOwner, standing: Mapping[str, bytes | None], version: int
    ) -> ScopeRequest:
        user = owner.user if scope_of(next(iter(standing))) == "user" else None
        patch = PatchScope(
            app=owner.app,
            user=user,
            set={
                key: self._codec.from_json(value)
                for key, value in standing.items()
                if value is not None
            },
            delete=tuple(key for key, value in standing.items() if value is None),
        )
        expected = frozenset({version})
        return self._caller._replace(origin="import", expected=expected, key=None).patches(patch)
