"""Where sessions are that another server keeps: each has an alias here."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRoute:
    """Where a session is.

    Args:
        public_id: What it is called here.
        manager: The name of the session manager that has it.
        remote_id: What it is called there.
        app: To which it belongs here.
        user: Whose it is.
        scope: `user` or `team`.
        team: Whose it is too.
    """

    public_id: UUID
    manager: str
    remote_id: str
    app: str
    user: str
    scope: str
    team: str | None


class SessionRoutes(Protocol):
    """The routes of all processes."""

    async def add(self, route: SessionRoute) -> None:
        """Keep a route."""
        ...

    async def get(self, public_id: UUID) -> SessionRoute | None:
        """Return a route; None when there is none."""
        ...

    async def of_manager(self, manager: str, remote_ids: Sequence[str]) -> Sequence[SessionRoute]:
        """Return the routes to sessions of a manager, of those that have one.

        Args:
            manager: Its name.
            remote_ids: What the sessions are called there.
        """
        ...

    async def delete(self, public_id: UUID) -> None:
        """Take a route away; there may be none."""
        ...

    async def forget_user(self, app: str, user: str) -> None:
        """Take away the routes to all sessions of a user.

        Args:
            app: To which they belong here.
            user: Whose they are.
        """
        ...
