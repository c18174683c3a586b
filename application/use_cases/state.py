"""State that sessions share: patch the keys of an app, or of one user of it."""

from typing import NamedTuple
from uuid import UUID

from application.commands.handler import CommandHandler
from application.commands.request import Caller, Outcome
from application.errors import StaleScope
from application.ports.rows import ScopeVersion
from application.ports.store import Store
from application.projections.session_row import scope_stream
from domain.session.commands import PatchScope
from domain.values import JsonObject


class ScopePatched(NamedTuple):
    """What became of a patch to shared keys.

    Args:
        outcome: What became of the command.
        version: The version of the keys after it.
    """

    outcome: Outcome
    version: int


class SharedStates:
    """Patches keys that sessions share.

    Args:
        store: Where they are.
        handler: Handles commands.
    """

    def __init__(self, store: Store, handler: CommandHandler) -> None:
        self._store = store
        self._handler = handler

    async def patch(
        self,
        caller: Caller,
        app: str,
        user: str | None,
        *,
        set: JsonObject,  # noqa: A002 - the word of the command
        delete: tuple[str, ...] = (),
    ) -> ScopePatched:
        """Set and delete keys.

        Args:
            caller: Who asks; what it expects is the version of the keys.
            app: The app.
            user: None for the keys of the app.
            set: Keys with their prefix, and values.
            delete: Keys with their prefix.

        Raises:
            StaleScope: The keys have another version.
        """
        scope = scope_stream(app, user)
        command = PatchScope(app=app, user=user, set=set, delete=delete)
        request = caller._replace(expected=None).asks(scope, command)
        if caller.expected is not None:
            # Of several versions that are allowed it must have the one it has now.
            now = await self._version(scope)
            version = now if now in caller.expected else min(caller.expected, default=-1)
            request = request._replace(expected_scopes=(ScopeVersion(scope, version),))
        outcome = await self._handler.handle(request)
        if outcome.changed:
            return ScopePatched(outcome, outcome.position)
        # Nothing was asked for: nobody has looked at the version yet.
        version = await self._version(scope)
        if caller.expected is not None and version not in caller.expected:
            raise StaleScope(None, head=version)
        return ScopePatched(outcome, version)

    async def _version(self, scope: UUID) -> int:
        return (await self._store.read_models.scope(scope)).version
