"""What is allowed with the runtime: what runs the agent says what it can do, and its models."""

from dataclasses import asdict, dataclass

from domain.checks import require_id, require_name
from domain.errors import Invalid, ModelNotOffered, ModelSwitchingUnsupported
from domain.log.canonical import digest_of, size_of
from domain.session.declarations import Command, decides, evolves
from domain.session.events import Recorded, RuntimeReported, SessionEvent
from domain.session.guards import require_present
from domain.session.state import Changes, Runtime, Session
from domain.values import ModelChoice

__all__ = ["ReportRuntime"]

MAX_OFFERED = 500
MAX_REPORT = 256 * 1024
_NAMED = 10
"""Of the offered models, how many a refusal names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRuntime(Command):
    """Record what runs the agent, and what it can do."""

    event: RuntimeReported


@decides(ReportRuntime)
def report(session: Session, command: ReportRuntime) -> list[SessionEvent]:
    """Record what runs the agent, whenever it says so; what was said already is not recorded."""
    require_present(session)
    event = command.event
    _require_report(event)
    now = session.runtime
    return [] if now is not None and now.digest == digest_of(asdict(event)) else [event]


def _require_report(event: RuntimeReported) -> None:
    require_id(event.runtime_session_id, "runtime_session_id")
    for field in ("name", "version"):
        require_name(getattr(event, field), field)
    if len(event.models) > MAX_OFFERED:
        raise Invalid(f"{len(event.models)} models; at most {MAX_OFFERED}", field="models")
    seen: set[str] = set()
    for index, model in enumerate(event.models):
        for field in ("ref", "name", "provider", "model"):
            require_name(getattr(model, field), f"models[{index}].{field}")
        if model.ref in seen:
            raise Invalid(f"two models have the ref {model.ref!r}", field=f"models[{index}].ref")
        seen.add(model.ref)
    if sum(model.is_default for model in event.models) > 1:
        raise Invalid("at most one model can be the default", field="models")
    size = size_of(asdict(event))
    if size > MAX_REPORT:
        raise Invalid(f"the report has {size} bytes as JSON; at most {MAX_REPORT}")


def require_choice(session: Session, choice: ModelChoice) -> None:
    """Refuse a model that the runtime of the session does not let its agent answer with.

    Args:
        session: The state.
        choice: The model.

    Raises:
        ModelSwitchingUnsupported: The runtime lets nobody choose.
        ModelNotOffered: It lets only those be chosen that it offers.
    """
    runtime = session.runtime
    if runtime is None or runtime.switching == "any":
        return
    if runtime.switching == "none":
        raise ModelSwitchingUnsupported(None, field="model")
    word = choice.model if choice.provider is None else f"{choice.provider}/{choice.model}"
    if word not in runtime.offered:
        first = ", ".join(runtime.offered[:_NAMED])
        more = ", ..." if len(runtime.offered) > _NAMED else ""
        raise ModelNotOffered(f"{word!r} is not offered; there are: {first}{more}", field="model")


@evolves(RuntimeReported)
def _reported(_: Session, event: RuntimeReported, recorded: Recorded) -> Changes:
    offered: dict[str, None] = {model.ref: None for model in event.models}
    for model in event.models:
        if model.model is not None:
            offered[model.model] = None
            if model.provider is not None:
                offered[f"{model.provider}/{model.model}"] = None
    runtime = Runtime(
        runtime_session_id=event.runtime_session_id,
        name=event.name,
        version=event.version,
        switching=event.switching,
        offered=tuple(offered),
        digest=digest_of(asdict(event)),
        sequence=recorded.sequence,
    )
    return {"runtime": runtime}
