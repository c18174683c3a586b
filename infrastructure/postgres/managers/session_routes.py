"""Where sessions are that another server keeps, on Postgres."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from application.ports.managers.session_routes import SessionRoute
from infrastructure.postgres import sql
from infrastructure.postgres.connecting.database import Database

_STATEMENTS = sql.load("session_routes")


class PostgresSessionRoutes:
    """The routes; see `application.ports.managers.session_routes.SessionRoutes`.

    Args:
        database: Where they are kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, route: SessionRoute) -> None:
        """Keep a route."""
        await self._database.run(_STATEMENTS["add"], asdict(route))

    async def get(self, public_id: UUID) -> SessionRoute | None:
        """Return a route."""
        rows = await self._database.fetch(_STATEMENTS["get"], {"public_id": public_id})
        return _route(rows[0]) if rows else None

    async def of_manager(self, manager: str, remote_ids: Sequence[str]) -> Sequence[SessionRoute]:
        """Return the routes to sessions of a manager."""
        values = {"manager": manager, "remote_ids": list(remote_ids)}
        return [
            _route(row) for row in await self._database.fetch(_STATEMENTS["of_manager"], values)
        ]

    async def delete(self, public_id: UUID) -> None:
        """Take a route away."""
        await self._database.run(_STATEMENTS["delete"], {"public_id": public_id})

    async def forget_user(self, app: str, user: str) -> None:
        """Take away the routes to all sessions of a user."""
        await self._database.run(_STATEMENTS["forget_user"], {"app": app, "user": user})


def _route(row: tuple[Any, ...]) -> SessionRoute:
    public_id, manager, remote_id, app, user, scope, team = row
    return SessionRoute(
        public_id=public_id,
        manager=manager,
        remote_id=remote_id,
        app=app,
        user=user,
        scope=scope,
        team=team,
    )
