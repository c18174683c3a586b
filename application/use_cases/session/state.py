"""State that sessions share: patch the keys of an app, or of one user of it."""

from typing import NamedTuple

from application.commands.request import Caller, Outcome
from application.commands.scope_handler import ScopeHandler
from domain.scope.rules import PatchScope
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
        handler: Handles patches.
    """

    def __init__(self, handler: ScopeHandler) -> None:
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
        command = PatchScope(app=app, user=user, set=set, delete=delete)
        outcome = await self._handler.handle(caller.patches(command))
        return ScopePatched(outcome, outcome.answer["version"])
