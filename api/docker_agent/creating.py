"""A session of docker-agent begun: what its template means here."""

import posixpath
from typing import Any

from api.docker_agent.requests import Refusal
from api.docker_agent.shapes.sessions import CUSTOM_MODELS, OLD_TOKENS, WORKING_DIR
from api.docker_agent.shapes.wire import CreateSession, Permissions
from api.http.around.authorization import principal_of
from api.http.incoming.requests import HttpRequest
from domain.checks import require_name
from domain.permissions.permission_rules import PermissionRules, require_rules
from domain.session.commands import CreateSession as CreateCommand
from domain.session.commands import OverrideModel
from domain.values import ModelChoice, Owner, SessionLimits

APP, USER = "docker-agent", "unknown"
"""Whose sessions are that nobody says whose they are; those that were imported are theirs too."""

_MOST_OVERRIDES = 100
_MOST_TIMES = 1_000_000
_LONGEST_PATH = 4096


def owner_of(request: HttpRequest) -> Owner:
    """Return to whom a session belongs that somebody begins: docker-agent knows no owners.

    Args:
        request: Who asks; a token says its app, and its user if it is for one.
    """
    principal = principal_of(request)
    return Owner(app=principal.app or APP, user=principal.user or USER)


def creation_of(request: HttpRequest, body: CreateSession) -> CreateCommand:
    """Return the command that begins a session.

    Args:
        request: Who asks.
        body: The template.

    Raises:
        Refusal: 400, it cannot be.
        Invalid: It has rules that cannot be.
    """
    about: dict[str, Any] = {}
    if body.working_dir.strip():
        about[WORKING_DIR] = _working_dir(body.working_dir.strip())
    if body.custom_models_used:
        about[CUSTOM_MODELS] = body.custom_models_used
    if body.max_old_tool_call_tokens:
        about[OLD_TOKENS] = body.max_old_tool_call_tokens
    return CreateCommand(
        owner=owner_of(request),
        title=body.title.strip() or None,
        metadata=about,
        permissions=rules_of(body.permissions),
        tool_approval=body.tools_approved,
        limits=_limits_of(body),
    )


def overrides_of(body: CreateSession) -> list[OverrideModel]:
    """Return the commands that give agents other models.

    Args:
        body: The template.

    Raises:
        Refusal: 400, there are too many.
        Invalid: A name cannot be.
    """
    if len(body.agent_model_overrides) > _MOST_OVERRIDES:
        raise Refusal(400, f"agent_model_overrides has more than {_MOST_OVERRIDES} agents")
    found: list[OverrideModel] = []
    for agent, ref in body.agent_model_overrides.items():
        choice = model_of(ref)
        require_name(agent, "agent_model_overrides")
        found.append(OverrideModel(agent=agent, model=choice.model, provider=choice.provider))
    return found


def model_of(ref: str) -> ModelChoice:
    """Return the model that a reference names: `provider/model`, or the name of one set up.

    Args:
        ref: As a client writes it.

    Raises:
        Invalid: It is none.
    """
    provider, slash, model = ref.strip().partition("/")
    choice = ModelChoice(model=model, provider=provider) if slash else ModelChoice(model=provider)
    require_name(choice.model, "model")
    require_name(choice.provider, "model")
    return choice


def rules_of(permissions: Permissions | None) -> PermissionRules:
    """Return rules in our words; none at all where there are none.

    Args:
        permissions: As a client writes them.

    Raises:
        Invalid: One cannot be judged.
    """
    if permissions is None:
        return PermissionRules()
    lists = (permissions.allow, permissions.ask, permissions.deny)
    allow, ask, deny = (tuple(one) for one in lists)
    rules = PermissionRules(allow=allow, ask=ask, deny=deny)
    require_rules(rules)
    return rules


def _limits_of(body: CreateSession) -> SessionLimits | None:
    times = [
        None if one <= 0 else min(one, _MOST_TIMES)
        for one in (body.max_iterations, body.max_consecutive_tool_calls)
    ]
    if not any(times):
        return None
    return SessionLimits(iterations=times[0], consecutive_tool_calls=times[1])


def _working_dir(path: str) -> str:
    """Return a directory as it is kept: it is where the agent runs, so nobody looks for it here."""
    if len(path) > _LONGEST_PATH or any(ord(one) < 0x20 for one in path):
        raise Refusal(400, f"working_dir must be a path of at most {_LONGEST_PATH} characters")
    windows = len(path) > 2 and path[1] == ":" and path[2] in "\\/"
    if not path.startswith("/") and not windows:
        raise Refusal(400, "working_dir must be an absolute path: the agent runs elsewhere")
    return path if windows else posixpath.normpath(path)
