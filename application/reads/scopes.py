"""The keys that sessions share, read and patched without going through one of them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from application.errors import CursorAhead
from application.ports.log.codec import Codec
from application.ports.log.whole_log import WholeLog
from application.ports.session.shared_state import SharedState
from application.projections.shared_state import scope_id


class ScopeValues(NamedTuple):
    """The keys of a scope at one moment.

    Args:
        version: The position of the newest write, 0 before any.
        values: The keys, with their prefix.
    """

    version: int
    values: Mapping[str, Any]


class Scopes:
    """Reads shared state; it is patched by `application/commands/scope_handler.py`.

    Args:
        log: Says how far it has come.
        shared_state: Where the keys are.
        codec: Reads their values.
    """

    def __init__(self, log: WholeLog, shared_state: SharedState, codec: Codec) -> None:
        self._log = log
        self._shared_state = shared_state
        self._codec = codec

    async def read(
        self, app: str, user: str | None = None, *, at: int | None = None
    ) -> ScopeValues:
        """Return the keys that all sessions of an app, or of one user of it, share.

        Args:
            app: The app.
            user: None for the keys of the app.
            at: A position: as they were then; None is now.

        Raises:
            CursorAhead: The log has not come to that position.
        """
        if at is not None and at > (head := await self._log.head()):
            raise CursorAhead(None, head=head, cursor=at)
        scope = await self._shared_state.scope(scope_id(app, user), at=at)
        from_json = self._codec.from_json
        values = {key: from_json(value) for key, value in scope.values.items()}
        return ScopeValues(scope.version, values)
