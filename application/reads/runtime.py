"""What runs an agent, and the models that it can be made to answer with."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from application.reads.event_reader import EventReader
from domain.session.events import RuntimeReported
from domain.session.state import Runtime, Session
from domain.values import ModelChoice, OfferedModel


@dataclass(frozen=True, slots=True)
class NewestRuntime:
    """What a runtime says of itself, and which event says it.

    Args:
        event: The report.
        sequence: Of the event.
        at: When it was recorded.
    """

    event: RuntimeReported
    sequence: int
    at: datetime


async def read_runtime(
    events: EventReader, session_id: UUID, runtime: Runtime | None
) -> NewestRuntime | None:
    """Return all that a runtime has said of itself; None when the log does not have it.

    Args:
        events: Reads the log.
        session_id: Whose runtime.
        runtime: What the state keeps of it.
    """
    if runtime is None:
        return None
    recorded = await events.at(session_id, runtime.sequence)
    if recorded is None or not isinstance(recorded.event, RuntimeReported):
        return None
    return NewestRuntime(recorded.event, recorded.sequence, recorded.at)


def model_choices(session: Session, report: RuntimeReported | None) -> dict[str, Any]:
    """Return which model answers now, and which ones can be chosen.

    Of the choices, one is current as soon as it is known which: the one that was chosen, else that
    of the agent, else the default of the runtime. A current model that the runtime does not offer
    is among them with `is_offered: false`.

    Args:
        session: The state.
        report: What its runtime says of itself.
    """
    agent = session.description.agent
    override = None if agent is None else session.description.models.get(agent.name)
    offered = report.models if report is not None else ()
    current: ModelChoice | None = override
    if current is None and agent is not None and agent.model is not None:
        current = ModelChoice(
            model=agent.model, provider=agent.provider, reasoning_effort=agent.reasoning_effort
        )
    if current is None:
        chosen = next((model for model in offered if model.is_default), None)
    else:
        chosen = next((model for model in offered if _is(model, current)), None)
    choices = [_choice(model, is_current=model is chosen) for model in offered]
    if chosen is None and current is not None:
        ref = current.model if current.provider is None else f"{current.provider}/{current.model}"
        other = OfferedModel(ref=ref, provider=current.provider, model=current.model)
        choices.append(_choice(other, is_current=True, is_offered=False))
    return {
        "agent": None if agent is None else agent.name,
        "is_overridden": override is not None,
        "switching": "any" if report is None else report.switching,
        "choices": choices,
    }


def _is(offered: OfferedModel, current: ModelChoice) -> bool:
    if current.provider is None:
        return current.model in (offered.ref, offered.model, f"{offered.provider}/{offered.model}")
    return (current.provider, current.model) == (offered.provider, offered.model) or (
        f"{current.provider}/{current.model}" == offered.ref
    )


def _choice(model: OfferedModel, *, is_current: bool, is_offered: bool = True) -> dict[str, Any]:
    return {
        "ref": model.ref,
        "name": model.name,
        "provider": model.provider,
        "model": model.model,
        "is_default": model.is_default,
        "is_current": is_current,
        "is_offered": is_offered,
        "details": model.details,
    }
