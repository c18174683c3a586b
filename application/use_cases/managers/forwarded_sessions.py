"""Sessions that other servers keep for this one: begun there, and known here by an alias."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple, cast
from urllib.parse import urlencode
from uuid import UUID

from application.ports.clock import Clock
from application.ports.managers.session_managers import (
    ManagerAnswer,
    ManagerUnreachable,
    SessionManagers,
)
from application.ports.managers.session_routes import SessionRoute, SessionRoutes
from domain.errors import CairnError, SessionNotFound
from domain.redaction import redacted

SESSIONS = "/api/v1/sessions"
WRITE_SECONDS = 30.0
"""How long a manager has to begin or delete a session."""
READ_SECONDS = 10.0
"""How long it has to say what there is."""
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


class Found(NamedTuple):
    """What managers have.

    Args:
        sessions: What is told of each.
        unreachable: Why some managers did not say, by their names.
    """

    sessions: Sequence[dict[str, Any]]
    unreachable: Mapping[str, str]


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
        self._routes = routes
        self._clock = clock

    def choose(self, asked: str | None) -> str | None:
        """Return at which manager a session begins; None is here.

        Args:
            asked: Its name, if the session asks for one.

        Raises:
            ManagerRefused: There is none of this name.
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
        remote_id = _object(answer.body).get("session_id")
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
        info = _info(_object(answer.body), route) if answer.status == 200 else None
        if info is None:
            raise _refused(route.manager, answer)
        return info

    async def list(self, query: Mapping[str, str], sees: Callable[[SessionRoute], bool]) -> Found:
        """Return what all managers have, asked at the same time.

        Args:
            query: The filters.
            sees: Tells whether a session exists for whoever asks.
        """
        keys = sorted((key, value) for key, value in query.items())
        target = f"{SESSIONS}?{urlencode(keys)}" if keys else SESSIONS
        names = self.managers.names
        told = await asyncio.gather(*(self._list(name, target, sees) for name in names))
        sessions = [one for each in told if not isinstance(each, str) for one in each]
        unreachable = {
            name: each for name, each in zip(names, told, strict=True) if isinstance(each, str)
        }
        return Found(sessions, unreachable)

    async def _list(
        self, manager: str, target: str, sees: Callable[[SessionRoute], bool]
    ) -> Sequence[dict[str, Any]] | str:
        """Return the sessions of a manager that have an alias here; or why it does not say."""
        try:
            answer = await self.managers.ask(manager, "GET", target, seconds=READ_SECONDS)
        except ManagerUnreachable as error:
            return error.reason
        listed = _object(answer.body).get("sessions")
        if answer.status != 200 or not isinstance(listed, list):
            return f"status-{answer.status}"
        items = cast("list[Any]", listed)  # type: ignore[redundant-cast]
        infos = [cast("dict[str, Any]", one) for one in items if isinstance(one, dict)]
        by_id = {one["id"]: one for one in infos if isinstance(one.get("id"), str)}
        routes = await self._routes.of_manager(manager, list(by_id))
        found = (_info(by_id[route.remote_id], route) for route in routes if sees(route))
        return [one for one in found if one is not None]

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


def _info(told: dict[str, Any], route: SessionRoute) -> dict[str, Any] | None:
    """Return what is told of a session, under its name here; None when it is not usable."""
    known = {key: told.get(key) for key in ("user_id", "status", "created_at")}
    if not all(isinstance(value, str) for value in known.values()):
        return None
    return {"id": str(route.public_id), **known}


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _refused(manager: str, answer: ManagerAnswer) -> ManagerRefused:
    """Return why a session did not begin: what was wrong with what was sent is told as it is."""
    status = answer.status if answer.status in (400, 413, 429) else 502
    return ManagerRefused(status, _words(manager, answer))


def _words(manager: str, answer: ManagerAnswer) -> str:
    message = _object(answer.body).get("message")
    said = redacted(message[:500]) if isinstance(message, str) else None
    return f"the session manager {manager} answered {answer.status}" + (f": {said}" if said else "")
