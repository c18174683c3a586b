"""The ADK door: google-adk's own clients work with it by another URL, and nothing else changed."""

from api.adk.requests import answer_error
from api.adk.route_table import MORE_PREFIXES, PREFIXES, ROUTES, SHARED
from api.authentication import by_token
from api.doors import Door

_OPEN_PATHS = frozenset(route.path for route in ROUTES if route.right is None)


def adk_door(token: str | None, *, enabled: bool) -> Door:
    """Return the ADK door.

    Args:
        token: The bearer token of a file, which allows everything; None is that there is none.
            Clients that can be given a URL alone send it as the password of that.
        enabled: Whether it is open.
    """
    return Door(
        "adk",
        PREFIXES[0],
        routes=ROUTES,
        authenticate=by_token(token, _OPEN_PATHS, as_password=True),
        answer_error=answer_error,
        origin="adk",
        more=MORE_PREFIXES,
        shared=SHARED,
        enabled=enabled,
    )
