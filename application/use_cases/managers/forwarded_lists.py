"""One list of the sessions that several servers keep: the newest first, from a place on."""

import asyncio
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple, cast
from urllib.parse import parse_qs, urlencode, urlsplit

from application.ports.managers.session_managers import ManagerUnreachable, SessionManagers
from application.ports.managers.session_routes import SessionRoute, SessionRoutes
from domain.values import rfc3339

SESSIONS: Final = "/api/v1/sessions"
READ_SECONDS: Final = 10.0
"""How long a manager has to say what there is."""
LIST_SECONDS: Final = 30.0
"""How long all of them have together."""
AT_ONCE: Final = 16
"""Managers that are asked at the same time: what one of them says may have 16 MiB."""
MOST_IN_PAGE: Final = 10_000
"""Sessions that a manager is asked for at once."""
_LONGEST_CURSOR = 4096
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = 2**63
"""Nanoseconds: the year 2262."""
_TIME = re.compile(r"(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?([Zz]|[+-]\d\d:\d\d)")


class ListPlace(NamedTuple):
    """Where a session stands in such a list; the greatest comes first.

    Args:
        moment: When it began, nanoseconds since 1970; 0 when nobody can tell.
        manager: The name of the session manager that has it; empty is this server.
        session_id: What it is called there.
    """

    moment: int
    manager: str
    session_id: str


class Listed(NamedTuple):
    """A session in such a list.

    Args:
        place: Where it stands.
        info: What is told of it, under its name here.
    """

    place: ListPlace
    info: dict[str, str]


class Found(NamedTuple):
    """What managers have.

    Args:
        sessions: In no order; of each manager the first ones from the place on.
        unreachable: Why some managers did not say, by their names; nothing of them is shown.
    """

    sessions: Sequence[Listed]
    unreachable: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Asked:
    """What of a list is wanted.

    Args:
        filters: As they are sent to managers.
        after: What stands before it was shown; None is the beginning.
        most: Sessions of one manager.
        sees: Tells whether a session exists for whoever asks.
    """

    filters: Mapping[str, str]
    after: ListPlace | None
    most: int
    sees: Callable[[SessionRoute], bool]


def nanoseconds_of(moment: datetime) -> int:
    """Return a time as nanoseconds since 1970.

    Args:
        moment: With a time zone.
    """
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000


def moment_of(nanoseconds: int) -> datetime:
    """Return a time without what is below a microsecond.

    Args:
        nanoseconds: Since 1970.
    """
    return _EPOCH + timedelta(microseconds=nanoseconds // 1000)


def told_moment(told: str) -> int:
    """Return a time of RFC 3339 as nanoseconds since 1970; 0 when it is none, or before.

    Args:
        told: By a manager.
    """
    found = _TIME.fullmatch(told)
    if found is None:
        return 0
    try:
        seconds = (datetime.fromisoformat((found[1] + found[3]).upper()) - _EPOCH) // timedelta(
            seconds=1
        )
    except ValueError:
        return 0
    moment = seconds * 10**9 + int((found[2] or "").ljust(9, "0"))
    return moment if 0 <= moment < _LAST else 0


class ForwardedLists:
    """Asks managers for their sessions, a bounded number of them at once.

    Args:
        managers: Those servers.
        routes: Which session is where.
    """

    def __init__(self, managers: SessionManagers, routes: SessionRoutes) -> None:
        self._managers = managers
        self._routes = routes

    async def list(self, asked: Asked) -> Found:
        """Return what all managers have; who does not say in time is named.

        Args:
            asked: What is wanted.
        """
        names, turns = self._managers.names, asyncio.Semaphore(AT_ONCE)
        until = asyncio.get_running_loop().time() + LIST_SECONDS

        async def told_by(name: str) -> Sequence[Listed] | str:
            async with turns:
                try:
                    return await self._list(name, asked, until)
                except ManagerUnreachable as error:
                    return error.reason

        told = await asyncio.gather(*map(told_by, names))
        sessions = [one for each in told if not isinstance(each, str) for one in each]
        unreachable = {
            name: each for name, each in zip(names, told, strict=True) if isinstance(each, str)
        }
        return Found(sessions, unreachable)

    async def _list(self, manager: str, asked: Asked, until: float) -> Sequence[Listed] | str:
        """Return the sessions of a manager that have an alias here, page after page of its own.

        A manager that knows neither limits nor times says all that it has at once.
        """
        now = asyncio.get_running_loop().time
        until = min(until, now() + READ_SECONDS)
        query = {**asked.filters, "limit": str(min(asked.most, MOST_IN_PAGE))}
        if asked.after is not None:
            # The time is told in whole microseconds: those of its own one are sorted out here.
            whole = moment_of(asked.after.moment + 999)
            query["created_until"] = rfc3339(whole)
        found: dict[str, Listed] = {}
        while True:
            left = until - now()
            if left <= 0:
                return "timeout"
            target = f"{SESSIONS}?{urlencode(sorted(query.items()))}"
            answer = await self._managers.ask(manager, "GET", target, seconds=left)
            infos = _sessions_in(answer.body)
            if answer.status != 200 or infos is None:
                return f"status-{answer.status}"
            by_id = {one["id"]: one for one in infos if isinstance(one.get("id"), str)}
            for route in await self._routes.of_manager(manager, list(by_id)):
                info = info_of(by_id[route.remote_id], route) if asked.sees(route) else None
                if info is None:
                    continue
                place = ListPlace(told_moment(info["created_at"]), manager, route.remote_id)
                if asked.after is None or place < asked.after:
                    found[route.remote_id] = Listed(place, info)
            cursor = _cursor_in(answer.following)
            if cursor is None or len(found) >= asked.most:
                return sorted(found.values(), reverse=True)[: asked.most]
            if cursor == query.get("cursor"):
                return "no-progress"
            query["cursor"] = cursor


def info_of(told: Mapping[str, Any], route: SessionRoute) -> dict[str, str] | None:
    """Return what is told of a session, under its name here; None when it is not usable.

    Args:
        told: By its manager.
        route: Where it is.
    """
    known = {key: told.get(key) for key in ("user_id", "status", "created_at")}
    if not all(isinstance(value, str) for value in known.values()):
        return None
    return {"id": str(route.public_id), **cast("dict[str, str]", known)}


def object_in(body: bytes) -> dict[str, Any]:
    """Return the object that an answer is; an empty one when it is none.

    Args:
        body: Of the answer.
    """
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _sessions_in(body: bytes) -> Sequence[dict[str, Any]] | None:
    listed = object_in(body).get("sessions")
    if not isinstance(listed, list):
        return None
    items = cast("list[Any]", listed)  # type: ignore[redundant-cast]
    return [cast("dict[str, Any]", one) for one in items if isinstance(one, dict)]


def _cursor_in(following: str | None) -> str | None:
    """Return the cursor of a link to the next page; the rest of the link is not followed."""
    try:
        found = parse_qs(urlsplit(following or "").query, max_num_fields=100).get("cursor")
    except ValueError:
        return None
    return found[0] if found and len(found[0]) <= _LONGEST_CURSOR else None
