"""Sessions in the form of agentapi-proxy: how they are asked for, and what is told of them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from api.agentapi.session_settings import SessionSettings, without_secrets
from api.http.around.authorization import principal_of
from api.http.incoming.requests import HttpRequest, name_of
from api.services import services_of
from application.ports.managers.session_routes import SessionRoute
from application.ports.session.listing import ListedSession
from domain.errors import SessionNotFound
from domain.session.commands import CreateSession, FirstMessage, ForeignEvent
from domain.values import Agent, Owner, rfc3339

KIND = "agentapi.settings"
"""Of the event that has the settings of a session."""
METADATA = "agentapi"

_ENDED = ("stopped", "stopping")
_ALIVE = ("idle", "running", "waiting")
NATIVE_STATUSES: Mapping[str, tuple[str, ...]] = {
    "starting": ("starting",),
    "active": ("idle",),
    "running": ("running", "waiting"),
    "unhealthy": _ALIVE,
    "stopped": _ENDED,
    "error": _ENDED,
    "timeout": _ENDED,
}
"""Which sessions may have a status of agentapi-proxy; one that is not here has none."""


def status_of(row: ListedSession) -> str:
    """Return the status of a session: `active` is ready, `running` has a turn.

    Args:
        row: The session as lists show it.
    """
    match row.status:
        case "idle" | "running" | "waiting" if row.unhealthy:
            return "unhealthy"
        case "idle":
            return "active"
        case "running" | "waiting":
            return "running"
        case "starting":
            return "starting"
        case _ if row.failure_kind == "timeout":
            return "timeout"
        case _ if row.failure_kind not in (None, "cancellation"):
            return "error"
        case _:
            return "stopped"


def session_info(row: ListedSession) -> dict[str, str]:
    """Return what is told of a session.

    Args:
        row: The session as lists show it.
    """
    return {
        "id": str(row.session_id),
        "user_id": row.user,
        "status": status_of(row),
        "created_at": rfc3339(row.created_at),
    }


async def row_of(request: HttpRequest) -> ListedSession:
    """Return the session that the path names, if whoever asks sees it.

    Args:
        request: Who asks.

    Raises:
        SessionNotFound: There is none.
    """
    services, principal = services_of(request), principal_of(request)
    row = await services.store.session_rows.session(id_in(request))
    if row is None or row.status in ("deleted", "erased"):
        raise SessionNotFound
    if row.app != services.settings.session_manager_app or not principal.sees(row.app, row.user):
        raise SessionNotFound
    return row


async def require_visible(request: HttpRequest) -> UUID:
    """Return the id of the session that the path names, if whoever asks sees it.

    Args:
        request: Who asks.

    Raises:
        SessionNotFound: It is not there, or of another app, or another user's.
    """
    services, principal, session_id = services_of(request), principal_of(request), id_in(request)
    app = services.settings.session_manager_app
    if principal.app not in (None, app):
        raise SessionNotFound
    await services.sight.require(replace(principal, app=app), session_id)
    return session_id


async def visible_route(request: HttpRequest) -> SessionRoute | None:
    """Return where the session that the path names is kept; None when no other server has it.

    Args:
        request: Who asks.

    Raises:
        SessionNotFound: Another server has it, and it is not there for whoever asks.
    """
    route = await services_of(request).session_managing.forwarded.find(id_in(request))
    if route is not None and not principal_of(request).sees(route.app, route.user):
        raise SessionNotFound
    return route


def id_in(request: HttpRequest) -> UUID:
    """Return the id of a session that the path names.

    Args:
        request: Whose path.

    Raises:
        SessionNotFound: It is none.
    """
    name = name_of(request, "name")
    try:
        session_id = UUID(name)
    except ValueError:
        raise SessionNotFound from None
    if str(session_id) != name.lower():
        raise SessionNotFound
    return session_id


def wanted_session(settings: SessionSettings, sent: Any, app: str, new_id: UUID) -> CreateSession:
    """Return the session that settings ask for.

    Args:
        settings: As they were understood.
        sent: The same as they came, for the log.
        app: To which it belongs.
        new_id: Of its first message.
    """
    asked = settings.session
    message = settings.initial_message
    parts: Any = ({"type": "text", "text": message},)
    said = FirstMessage(message_id=str(new_id), role="user", parts=parts)
    return CreateSession(
        owner=Owner(
            app=app, user=asked.user_id, team=asked.team_id or None, scope=asked.scope or "user"
        ),
        agent=Agent(name=asked.agent_type) if asked.agent_type else None,
        metadata={METADATA: without_secrets(_run_request(settings))},
        messages=(said,) if message else (),
        foreign=(ForeignEvent(kind=KIND, event_id=str(new_id), record=without_secrets(sent)),),
    )


def _run_request(settings: SessionSettings) -> dict[str, Any]:
    """Return what a runtime decides by; the rest is in the event."""
    asked, repository = settings.session, settings.repository
    return {
        "agent_type": asked.agent_type,
        "oneshot": asked.oneshot,
        "teams": asked.teams,
        "repository": None if repository is None else repository.model_dump(exclude_none=True),
    }
