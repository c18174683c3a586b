"""The agentapi door: an agentapi-proxy has its sessions here by another URL and a shared secret."""

from collections.abc import Callable, Collection, Iterable

from api.agentapi.requests import answer_error
from api.agentapi.route_table import OPENAPI, PREFIXES, ROUTES
from api.agentapi.routes.session_paths import session_paths
from api.agentapi.signing import by_signature
from api.doors import Authenticate, Door
from api.http.routing import Route


def agentapi_door(
    secrets: Callable[[], Collection[bytes]],
    *,
    app: str,
    native: Iterable[Route],
    tokens: Authenticate | None,
    enabled: bool,
) -> Door:
    """Return the agentapi door.

    Args:
        secrets: Tells those that sign requests; all of them are good.
        app: To which its sessions belong.
        native: The routes of the native door: those of a session are here too, below its id.
        tokens: Tells who shows a token, where sessions are forwarded; None takes none.
        enabled: Whether it is open.
    """
    return Door(
        "agentapi",
        PREFIXES[0],
        routes=(*ROUTES, *session_paths(native)),
        authenticate=by_signature(secrets, app, open_path=OPENAPI, tokens=tokens),
        answer_error=answer_error,
        origin="agentapi",
        more=PREFIXES[1:],
        has_session_paths=True,
        enabled=enabled,
    )
