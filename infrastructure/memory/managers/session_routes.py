"""Where sessions are that another server keeps, in memory."""

from collections.abc import Sequence
from uuid import UUID

from application.ports.managers.session_routes import SessionRoute


class MemorySessionRoutes:
    """The routes; see `application.ports.managers.session_routes.SessionRoutes`."""

    def __init__(self) -> None:
        self._routes: dict[UUID, SessionRoute] = {}

    async def add(self, route: SessionRoute) -> None:
        """Keep a route."""
        self._routes.setdefault(route.public_id, route)

    async def get(self, public_id: UUID) -> SessionRoute | None:
        """Return a route."""
        return self._routes.get(public_id)

    async def of_manager(self, manager: str, remote_ids: Sequence[str]) -> Sequence[SessionRoute]:
        """Return the routes to sessions of a manager."""
        wanted = set(remote_ids)
        return [
            one
            for one in self._routes.values()
            if one.manager == manager and one.remote_id in wanted
        ]

    async def delete(self, public_id: UUID) -> None:
        """Take a route away."""
        self._routes.pop(public_id, None)

    async def forget_user(self, app: str, user: str) -> None:
        """Take away the routes to all sessions of a user."""
        whose = (app, user)
        self._routes = {k: one for k, one in self._routes.items() if (one.app, one.user) != whose}
