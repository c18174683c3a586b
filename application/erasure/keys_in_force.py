"""What becomes of the values that a session gave to keys which it shares, once it is erased."""

from uuid import UUID

from application.commands.request import Caller
from application.commands.scope_handler import ScopeHandler
from application.erasure.plans import SharedKeys
from application.ports.log.codec import Codec
from application.ports.log.erasures import Erasures
from application.ports.session.session_rows import RowLookup
from domain.scope.rules import PatchScope
from domain.scope.state_keys import scope_of


class KeysInForce:
    """Settles the keys of erased sessions.

    Args:
        erasures: Knows which values are in force.
        rows: Whose the sessions are.
        codec: Reads the values.
        scope_handler: Writes them.
        caller: Who does so.
    """

    def __init__(
        self,
        erasures: Erasures,
        rows: RowLookup,
        codec: Codec,
        scope_handler: ScopeHandler,
        caller: Caller,
    ) -> None:
        self._erasures = erasures
        self._rows = rows
        self._codec = codec
        self._scope_handler = scope_handler
        self._caller = caller

    async def settle(self, session_id: UUID, shared_keys: SharedKeys) -> None:
        """Write values in force anew in the log of their scope, or delete them.

        Args:
            session_id: Whose.
            shared_keys: Which of the two.
        """
        keys = await self._erasures.keys_in_force(session_id)
        row = await self._rows.session(session_id) if keys else None
        if row is None:
            return
        for one in keys:
            user = row.user if scope_of(one.key) == "user" else None
            if shared_keys == "erased":
                patch = PatchScope(app=row.app, user=user, delete=(one.key,))
            else:
                value = self._codec.from_json(one.value)
                patch = PatchScope(app=row.app, user=user, set={one.key: value})
            await self._scope_handler.handle(self._caller.patches(patch))
