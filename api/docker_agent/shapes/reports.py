"""What drivers have reported of their agents: kept in state, for it is nothing that happened.

Under the key `app:docker-agent.agents` of the app: an object with a member for each agent source,
`{"description", "multi", "config", "tools": {agent: count}}`, all of them optional. The models of
a session are what its runtime has reported of itself, with `PUT /v1/sessions/{id}/runtime`.
"""

from collections.abc import Mapping
from typing import Any, cast

from api.docker_agent.requests import Refusal
from api.services import Services

AGENTS = "app:docker-agent.agents"
_DETAILS = (
    *("family", "is_catalog", "input_cost", "output_cost", "cache_read_cost", "cache_write_cost"),
    *("context_limit", "output_limit", "input_modalities", "output_modalities"),
)
"""What of the details of a model docker-agent has a field for; costs in USD per million tokens."""


async def reported_agents(services: Services, app: str) -> Mapping[str, Mapping[str, Any]]:
    """Return what is reported of the agents of an app, by their sources.

    Args:
        services: Of the program.
        app: Whose.
    """
    value = (await services.scopes.read(app)).values.get(AGENTS)
    return {name: _object(one) for name, one in sorted(_object(value).items())}


async def require_reported(services: Services, app: str, agent: str) -> None:
    """Refuse an agent that is not among those that are reported, if any are.

    Args:
        services: Of the program.
        app: Whose agents.
        agent: Its source.

    Raises:
        Refusal: 404, no driver knows it.
    """
    known = await reported_agents(services, app)
    if known and agent not in known:
        raise Refusal(404, "agent not found")


def tools_of(agent: Mapping[str, Any], name: str) -> int | None:
    """Return how many tools an agent has; None when nobody has said.

    Args:
        agent: What is reported of its source.
        name: Of the agent.
    """
    count = _object(agent.get("tools")).get(name)
    return count if isinstance(count, int) and not isinstance(count, bool) else None


def model_document(choice: Mapping[str, Any]) -> dict[str, Any]:
    """Return a model that an agent can answer with, as docker-agent writes it.

    Args:
        choice: One of those that the runtime of a session offers, or the one that answers.
    """
    details = _object(choice["details"])
    more = {name: details[name] for name in _DETAILS if name in details}
    named = {"name": choice["name"] or choice["ref"], "ref": choice["ref"]}
    places = {name: choice[name] for name in ("provider", "model") if choice[name] is not None}
    flags = {
        "is_default": choice["is_default"],
        "is_current": choice["is_current"],
        "is_custom": not choice["is_offered"],
    }
    return {**named, **places, **{name: True for name, is_so in flags.items() if is_so}, **more}


def _object(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}
