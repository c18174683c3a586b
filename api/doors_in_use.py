"""The doors of a server: the native one, and those beside it that its settings open."""

from collections.abc import Callable, Mapping

from api.adk.door import adk_door
from api.agentapi.door import agentapi_door
from api.authentication import by_token
from api.composition.keys import signing_secrets_of
from api.docker_agent.door import docker_agent_door
from api.doors import Door, Doors
from api.settings import DOORS, Settings
from api.v1.door import native_door
from api.v1.route_table import ROUTES


def doors_of(settings: Settings, token: str | None) -> Doors:
    """Return all doors, those that are open first and in their order.

    Args:
        settings: Say which are open, and how.
        token: The bearer token of a file, which allows everything; None is that there is none.

    Raises:
        StartError: A door that is to be open would be so to everybody.
    """
    secrets, app = signing_secrets_of(settings), settings.session_manager_app
    # Only who forwards has users of its own.
    tokens = None if settings.session_managers_file is None else by_token(token, ())
    makers: Mapping[str, Callable[[bool], Door]] = {
        "adk": lambda enabled: adk_door(token, enabled=enabled),
        "agentapi": lambda enabled: agentapi_door(
            secrets, app=app, native=ROUTES, tokens=tokens, enabled=enabled
        ),
        "docker-agent": lambda enabled: docker_agent_door(token, enabled=enabled),
    }
    opened = [name for name in settings.names("doors") if settings.has_open(name)]
    named = dict.fromkeys((*opened, *DOORS))
    return Doors([native_door(token), *(makers[one](settings.has_open(one)) for one in named)])
