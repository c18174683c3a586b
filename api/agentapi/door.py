"""The agentapi door: an agentapi-proxy has its sessions here by another URL and a shared secret."""

from collections.abc import Collection

from api.agentapi.requests import answer_error
from api.agentapi.route_table import OPENAPI, PREFIXES, ROUTES
from api.agentapi.signing import by_signature
from api.doors import Door


def agentapi_door(secrets: Collection[bytes], *, app: str, enabled: bool) -> Door:
    """Return the agentapi door.

    Args:
        secrets: Those that sign requests; all of them are good.
        app: To which its sessions belong.
        enabled: Whether it is open.
    """
    return Door(
        "agentapi",
        PREFIXES[0],
        routes=ROUTES,
        authenticate=by_signature(secrets, app, open_path=OPENAPI),
        answer_error=answer_error,
        origin="agentapi",
        more=PREFIXES[1:],
        enabled=enabled,
    )
