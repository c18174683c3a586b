"""What belongs to whoever runs agents: told as far as a driver has reported it."""

from litestar.response.base import ASGIResponse

from api.docker_agent.creating import owner_of
from api.docker_agent.requests import Refusal, reply
from api.docker_agent.routes.sessions import SESSION
from api.docker_agent.running import FIRST_AGENT
from api.docker_agent.shapes.reports import model_document, reported_agents, tools_of
from api.docker_agent.shapes.sessions import model_ref
from api.http.incoming.requests import HttpRequest, name_of, session_id_of
from api.http.routing import get, post
from api.services import services_of, state_of
from application.reads.runtime import model_choices, read_runtime
from domain.errors import ModelSwitchingUnsupported
from domain.replacing import replace
from domain.values import Agent


@get("/api/agents", right="read")
async def list_agents(request: HttpRequest) -> ASGIResponse:
    """List the agents that a driver has reported; none when none has."""
    known = await reported_agents(services_of(request), owner_of(request).app)
    return reply(
        [
            {
                "name": name,
                "description": str(one.get("description") or ""),
                "multi": one.get("multi") is True,
            }
            for name, one in known.items()
        ]
    )


@get("/api/agents/{agent:str}", right="read")
async def get_agent(request: HttpRequest) -> ASGIResponse:
    """Read how an agent is set up, as a driver has reported it."""
    known = await reported_agents(services_of(request), owner_of(request).app)
    found = known.get(name_of(request, "agent"))
    if found is None:
        raise Refusal(404, "agent not found")
    config = found.get("config")
    return reply(config if isinstance(config, dict) else {})


@get("/api/agents/{agent:str}/{agent_name:str}/tools/count", right="read")
async def count_tools(request: HttpRequest) -> ASGIResponse:
    """Read how many tools an agent has, as a driver has reported it."""
    known = await reported_agents(services_of(request), owner_of(request).app)
    found = known.get(name_of(request, "agent"), {})
    count = tools_of(found, name_of(request, "agent_name"))
    if count is None:
        raise Refusal(404, "no driver has reported the tools of this agent")
    return reply({"available_tools": count})


@get(SESSION + "/models", right="read")
async def get_models(request: HttpRequest) -> ASGIResponse:
    """Read which model answers, and those that the runtime of the session offers beside it."""
    session = await state_of(request)
    events, session_id = services_of(request).events, session_id_of(request)
    report = await read_runtime(events, session_id, session.runtime)
    if session.runtime is not None and session.runtime.switching == "none":
        raise ModelSwitchingUnsupported
    agent = session.description.agent or Agent(name=FIRST_AGENT)
    named = replace(session, description=replace(session.description, agent=agent))
    choices = model_choices(named, None if report is None else report.event)["choices"]
    override = session.description.models.get(agent.name)
    current = (
        {}
        if override is None
        else {"current_model_ref": model_ref(override.provider, override.model)}
    )
    models = [model_document(choice) for choice in choices]
    document = {"agent": agent.name, **current, "models": models}
    return reply(document, sequence=session.sequence)


@post("/api/mcp-oauth/callback", right="write")
async def oauth_callback(request: HttpRequest) -> ASGIResponse:
    """Refuse the end of a sign-in: whoever runs the agent has begun it, and waits elsewhere."""
    query = request.query_params
    if not query.get("state") or not (query.get("code") or query.get("error")):
        raise Refusal(400, "state and code, or state and error, are needed")
    raise Refusal(404, "unknown state")


ROUTES = (list_agents, get_agent, count_tools, get_models, oauth_callback)
