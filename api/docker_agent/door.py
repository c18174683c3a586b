"""The docker-agent door: its clients work with it by another URL, and nothing else changed."""

from api.authentication import by_token
from api.docker_agent.requests import answer_error
from api.docker_agent.route_table import PREFIX, ROUTES, SHARED
from api.doors import Door

_OPEN_PATHS = frozenset(route.path for route in ROUTES if route.right is None)


def docker_agent_door(token: str | None, *, enabled: bool) -> Door:
    """Return the docker-agent door.

    Args:
        token: The bearer token of a file, which allows everything; None is that there is none.
        enabled: Whether it is open.
    """
    return Door(
        "docker-agent",
        PREFIX,
        routes=ROUTES,
        authenticate=by_token(token, _OPEN_PATHS, as_password=True),
        answer_error=answer_error,
        origin="docker-agent",
        shared=SHARED,
        enabled=enabled,
    )
