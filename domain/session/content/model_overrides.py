"""What is allowed in having an agent answer with another model than its own."""

from dataclasses import dataclass

from domain.checks import require_effort, require_name
from domain.errors import (
    InvalidRuntimeOverride,
    LimitReached,
    ModelNotOffered,
    ModelSwitchingUnsupported,
)
from domain.replacing import replace
from domain.session.declarations import Command, decides, evolves
from domain.session.environment.runtime import require_choice
from domain.session.events import ModelOverridden, ModelRestored, Recorded, SessionEvent
from domain.session.guards import require_present
from domain.session.state import Changes, Session
from domain.values import ModelChoice

__all__ = ["OverrideModel"]

MAX_OVERRIDES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class OverrideModel(Command):
    """Have an agent answer with another model; None restores its own."""

    agent: str
    model: str | None
    provider: str | None = None
    reasoning_effort: str | None = None


@decides(
    OverrideModel,
    refuses=(InvalidRuntimeOverride, LimitReached, ModelNotOffered, ModelSwitchingUnsupported),
)
def override_model(session: Session, command: OverrideModel) -> list[SessionEvent]:
    """Give an agent another model, or its own again; as it is already, nothing changes."""
    require_present(session)
    require_name(command.agent, "agent")
    models = session.description.models
    if command.model is None:
        if command.provider is not None or command.reasoning_effort is not None:
            raise InvalidRuntimeOverride(
                "provider and reasoning_effort need a model", field="model"
            )
        return [ModelRestored(agent=command.agent)] if command.agent in models else []
    for field in ("model", "provider"):
        require_name(getattr(command, field), field)
    effort = command.reasoning_effort
    require_effort(effort, "reasoning_effort")
    wanted = ModelChoice(model=command.model, provider=command.provider, reasoning_effort=effort)
    if models.get(command.agent) == wanted:
        return []
    require_choice(session, wanted)
    if command.agent not in models and len(models) >= MAX_OVERRIDES:
        raise LimitReached(f"a session has at most {MAX_OVERRIDES} model overrides")
    return [
        ModelOverridden(
            agent=command.agent,
            model=command.model,
            provider=command.provider,
            reasoning_effort=effort,
        )
    ]


@evolves(ModelOverridden)
def _overridden(session: Session, event: ModelOverridden, _: Recorded) -> Changes:
    model = ModelChoice(
        model=event.model, provider=event.provider, reasoning_effort=event.reasoning_effort
    )
    models = session.description.models.put(event.agent, model)
    return {"description": replace(session.description, models=models)}


@evolves(ModelRestored)
def _restored(session: Session, event: ModelRestored, _: Recorded) -> Changes:
    models = session.description.models.drop(event.agent)
    return {"description": replace(session.description, models=models)}
