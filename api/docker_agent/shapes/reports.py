"""What drivers have reported of their agents: kept in state, for it is nothing that happened.

Under the key `app:docker-agent.agents` of the app: an object with a member for each agent source,
`{"description", "multi", "config", "tools": {agent: count}}`, all of them optional. Under the key
`docker-agent.models` of a session: an array of the models that its agent can answer with.
"""

from collections.abc import Mapping
from typing import Any, cast

from api.docker_agent.requests import Refusal
from api.docker_agent.shapes.sessions import model_ref
from api.services import Services
from domain.session.state import Session

AGENTS = "app:docker-agent.agents"
MODELS = "docker-agent.models"


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


def models_of(session: Session, agent: str) -> list[dict[str, Any]]:
    """Return the models that an agent can answer with, one of them the one that does.

    Args:
        session: With what is reported of it.
        agent: Which agent.
    """
    reported = session.state.get(MODELS)
    listed = cast("list[Any]", reported) if isinstance(reported, list) else []  # type: ignore[redundant-cast]
    choices = [dict(one) for one in map(_object, listed) if isinstance(one.get("ref"), str)]
    override = session.description.models.get(agent)
    current = None if override is None else model_ref(override.provider, override.model)
    for one in choices:
        one.setdefault("name", one["ref"])
        chosen = one.get("is_default") is True if current is None else one["ref"] == current
        one.pop("is_current", None)
        if chosen and not any("is_current" in other for other in choices):
            one["is_current"] = True
    if current is not None and override and not any("is_current" in one for one in choices):
        custom = {"name": current, "ref": current, "model": override.model}
        provider = {"provider": override.provider} if override.provider else {}
        choices.append({**custom, **provider, "is_current": True, "is_custom": True})
    return choices


def _object(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}
