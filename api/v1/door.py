"""The native door: the HTTP API, its documents and what operators ask."""

from api.authentication import by_token
from api.doors import Door
from api.http.outgoing.problems import answer_error
from api.v1.route_table import ROUTES

_OPEN_PATHS = frozenset(route.path for route in ROUTES if route.right is None)


def native_door(token: str | None) -> Door:
    """Return the native door.

    Args:
        token: The bearer token of a file, which allows everything; None is that there is none.
            Then everybody may do everything, until the first access token is made.
    """
    return Door(
        "native",
        "",
        routes=tuple(ROUTES),
        authenticate=by_token(token, _OPEN_PATHS),
        answer_error=answer_error,
        origin="http",
    )
