"""Sessions that other servers keep for this one: begun there, and known here by an alias."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from application.ports.clock import Clock
from application.ports.managers.session_managers import (
    ManagerAnswer,
    ManagerUnreachable,
    SessionManagers,
)
from application.ports.managers.session_routes import SessionRoute, SessionRoutes
from application.use_cases.managers.forwarded_lists import (
    READ_SECONDS,
    SESSIONS,
    ForwardedLists,
    info_of,
    object_in,
)
from domain.errors import CairnError, SessionNotFound
from domain.redaction import redacted

WRITE_SECONDS = 30.0
"""How long a manager has to begin or delete a session."""
_LONGEST = 200


class ManagerRefused(Exception):
    """A manager does not do what it is asked.

    Args:
        status: That this server should answer.
        message: One sentence.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True, slots=True)
class Wanted:
    """A session that is to begin at a manager.

    Args:
        manager: Its name.
        app: To which it belongs here.
        user: Whose it is.
        scope: `user` or `team`.
        team: Whose it is too.
    """

    manager: str
    app: str
    user: str
    scope: str
    team: str | None


class ForwardedSessions:
    """Begins, finds and ends sessions at other servers.

    Args:
        managers: Those servers.
        routes: Which session is where.
        clock: Makes ids.
    """

    def __init__(self, managers: SessionManagers, routes: SessionRoutes, clock: Clock) -> None:
        self.managers = managers
        self.lists = ForwardedLists(managers, routes)
        self._routes = routes
        self._clock = clock

    def choose(self, asked: str | None) -> str | None:
        """Return at which manager a session begins; None is here.

        Args:
            asked: Its name, if the session asks for one.

        Raises:
            ManagerRefused: There is no manager of this name.
        """
        if asked is None:
            return self.managers.default
        if asked not in self.managers.names:
            raise ManagerRefused(400, f"there is no session manager {asked[:_LONGEST]!r}")
        return asked

    async def create(self, wanted: Wanted, body: bytes) -> UUID:
        """Begin a session at a manager, and return what it is called here.

        Args:
            wanted: Where, and whose it is.
            body: The settings, as they came.

        Raises:
            ManagerUnreachable: The manager gives no answer.
            ManagerRefused: It begins none.
            CairnError: Where it is cannot be kept; it is deleted there as far as possible.
        """
        answer = await self.managers.ask(
            wanted.manager, "POST", SESSIONS, body, seconds=WRITE_SECONDS
        )
        remote_id = object_in(answer.body).get("session_id")
        if answer.status != 201 or not isinstance(remote_id, str) or not _is_name(remote_id):
            raise _refused(wanted.manager, answer)
        public_id = self._clock.new_id()
        route = SessionRoute(
            public_id=public_id,
            manager=wanted.manager,
            remote_id=remote_id,
            app=wanted.app,
            user=wanted.user,
            scope=wanted.scope,
            team=wanted.team,
        )
        try:
            await self._routes.add(route)
        except CairnError:
            # Nobody could reach it.
            with suppress(ManagerUnreachable, ManagerRefused):
                await self._delete(route)
            raise
        return public_id

    async def find(self, public_id: UUID) -> SessionRoute | None:
        """Return where a session is; None when no manager has it."""
        return await self._routes.get(public_id)

    async def get(self, route: SessionRoute) -> dict[str, Any]:
        """Return what a manager tells of a session.

        Args:
            route: Where it is.

        Raises:
            SessionNotFound: The manager has it no longer.
            ManagerUnreachable: It gives no answer.
            ManagerRefused: It does not say.
        """
        answer = await self.managers.ask(
            route.manager, "GET", f"{SESSIONS}/{route.remote_id}", seconds=READ_SECONDS
        )
        if answer.status == 404:
            raise SessionNotFound
        info = info_of(object_in(answer.body), route) if answer.status == 200 else None
        if info is None:
            raise _refused(route.manager, answer)
        return info

    async def delete(self, route: SessionRoute) -> None:
        """Delete a session; one that its manager has no longer is gone already.

        Args:
            route: Where it is.

        Raises:
            ManagerUnreachable: The manager gives no answer; the route stays.
            ManagerRefused: It does not delete it; the same.
        """
        await self._delete(route)
        await self._routes.delete(route.public_id)

    async def _delete(self, route: SessionRoute) -> None:
        answer = await self.managers.ask(
            route.manager, "DELETE", f"{SESSIONS}/{route.remote_id}", seconds=WRITE_SECONDS
        )
        if answer.status not in (200, 204, 404):
            raise ManagerRefused(500, f"failed to delete session: {_words(route.manager, answer)}")


def _is_name(remote_id: str) -> bool:
    """Return whether an id can stand in a path as it is."""
    plain = remote_id.replace("-", "").replace("_", "")
    return plain.isascii() and plain.isalnum() and len(remote_id) <= _LONGEST


def _refused(manager: str, answer: ManagerAnswer) -> ManagerRefused:
    """Return why a session did not begin: what was wrong with what was sent is told as it is."""
    status = answer.status if answer.status in (400, 413, 429) else 502
    return ManagerRefused(status, _words(manager, answer))


def _words(manager: str, answer: ManagerAnswer) -> str:
    message = object_in(answer.body).get("message")
    said = redacted(message[:500]) if isinstance(message, str) else None
    return f"the session manager {manager} answered {answer.status}" + (f": {said}" if said else "")
