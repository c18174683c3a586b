"""What is allowed in describing a session: title, mark and tags, whatever runs meanwhile."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from domain.checks import require_between, require_effort, require_name, require_title
from domain.errors import (
    Invalid,
    InvalidRuntimeOverride,
    LimitReached,
    SummaryExists,
)
from domain.replacing import replace
from domain.session.content.messages import require_known_message
from domain.session.declarations import Command, decides, evolves
from domain.session.environment.runtime import require_choice
from domain.session.events import (
    ModelOverridden,
    ModelRestored,
    Recorded,
    SessionEvent,
    SessionRenamed,
    SessionStarred,
    SessionTagged,
    SessionUnstarred,
    SummaryAdded,
    UsageRecorded,
)
from domain.session.guards import require_present
from domain.session.state import Changes, ModelOverride, Session, Totals
from domain.values import MAX_TAGS, Identity, ModelChoice

__all__ = ["AddSummary", "DescribeSession", "OverrideModel", "RecordUsage"]

MAX_OVERRIDES = 100
MAX_SUMMARY_CHARACTERS = 256 * 1024
_MOST_TOKENS = 2**53


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeSession(Command):
    """Change the title, the mark or the tags; what is not named in `fields` stays."""

    fields: frozenset[str]
    title: str | None = None
    starred: bool = False
    tags: tuple[str, ...] = ()


@decides(DescribeSession)
def describe(session: Session, command: DescribeSession) -> list[SessionEvent]:
    """Record one event for each field that really changes."""
    require_present(session)
    now = session.description
    events: list[SessionEvent] = []
    if "title" in command.fields:
        require_title(command.title)
        if command.title != now.title:
            events.append(SessionRenamed(title=command.title))
    if "starred" in command.fields and command.starred != now.starred:
        events.append(SessionStarred() if command.starred else SessionUnstarred())
    if "tags" in command.fields:
        require_tags(command.tags)
        if command.tags != now.tags:
            events.append(SessionTagged(tags=command.tags))
    return events


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordUsage(Command):
    """Set the totals, or add to them."""

    mode: Literal["set", "add"]
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: float | None = None


@decides(RecordUsage)
def record_usage(session: Session, command: RecordUsage) -> list[SessionEvent]:
    """Set the totals or add to them; what makes no difference is not recorded."""
    require_present(session)
    require_between(command.input_tokens, "input_tokens", 0, _MOST_TOKENS)
    require_between(command.output_tokens, "output_tokens", 0, _MOST_TOKENS)
    if command.cost is not None and not 0 <= command.cost <= 1e12:
        raise Invalid("cost must be 0 to 1e12", field="cost")
    event = UsageRecorded(
        mode=command.mode,
        input_tokens=command.input_tokens,
        output_tokens=command.output_tokens,
        cost=command.cost,
    )
    counted = (command.input_tokens, command.output_tokens, command.cost)
    if all(one is None for one in counted):
        raise Invalid("say at least one of input_tokens, output_tokens and cost", field="mode")
    return [] if _totals_after(session, event) == session.totals else [event]


@dataclass(frozen=True, slots=True, kw_only=True)
class OverrideModel(Command):
    """Have an agent answer with another model; None restores its own."""

    agent: str
    model: str | None
    provider: str | None = None
    reasoning_effort: str | None = None


@decides(OverrideModel)
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
    wanted = ModelOverride(model=command.model, provider=command.provider, reasoning_effort=effort)
    if models.get(command.agent) == wanted:
        return []
    require_choice(session, ModelChoice(model=command.model, provider=command.provider))
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


@dataclass(frozen=True, slots=True, kw_only=True)
class AddSummary(Command):
    """Put what was said so far in short."""

    summary_id: Identity[str]
    text: str
    first_kept: str | None = None
    first_kept_at: int | None = None
    """Its sequence, where the caller has found it in the transcript."""
    tokens: int | None = None


@decides(AddSummary)
def add_summary(session: Session, command: AddSummary) -> list[SessionEvent]:
    """Add a summary; what is kept beside it begins with an entry of this session's transcript."""
    require_present(session)
    require_name(command.summary_id, "summary_id")
    if not command.text.strip():
        raise Invalid("text must not be blank", field="text")
    if len(command.text) > MAX_SUMMARY_CHARACTERS:
        raise Invalid(
            f"text has {len(command.text)} characters; at most {MAX_SUMMARY_CHARACTERS}",
            field="text",
        )
    require_between(command.tokens, "tokens", 0, _MOST_TOKENS)
    if command.summary_id in session.description.summaries:
        raise SummaryExists(None, summary_id=command.summary_id)
    if command.first_kept is not None and command.first_kept_at is None:
        require_known_message(session, command.first_kept)
    return [
        SummaryAdded(
            summary_id=command.summary_id,
            text=command.text,
            first_kept=command.first_kept,
            tokens=command.tokens,
        )
    ]


def require_tags(tags: Sequence[str]) -> None:
    """Refuse tags that are too many, repeated or no names."""
    if len(tags) > MAX_TAGS:
        raise Invalid(f"{len(tags)} tags; at most {MAX_TAGS}", field="tags")
    if len(set(tags)) != len(tags):
        raise Invalid("a tag is given twice", field="tags")
    for index, tag in enumerate(tags):
        require_name(tag, f"tags[{index}]")


@evolves(SessionRenamed)
def _renamed(session: Session, event: SessionRenamed, _: Recorded) -> Changes:
    return {"description": replace(session.description, title=event.title)}


@evolves(SessionStarred)
def _starred(session: Session, _: SessionStarred, __: Recorded) -> Changes:
    return {"description": replace(session.description, starred=True)}


@evolves(SessionUnstarred)
def _unstarred(session: Session, _: SessionUnstarred, __: Recorded) -> Changes:
    return {"description": replace(session.description, starred=False)}


@evolves(SessionTagged)
def _tagged(session: Session, event: SessionTagged, _: Recorded) -> Changes:
    return {"description": replace(session.description, tags=event.tags)}


@evolves(UsageRecorded)
def _counted(session: Session, event: UsageRecorded, _: Recorded) -> Changes:
    return {"totals": _totals_after(session, event)}


def _totals_after(session: Session, event: UsageRecorded) -> Totals:
    totals = session.totals
    start = replace(totals, input_tokens=0, output_tokens=0, cost=None)
    base = totals if event.mode == "add" else start
    cost = totals.cost
    if event.cost is not None:
        cost = (base.cost or 0.0) + event.cost
    tokens = {
        name: getattr(totals if given is None else base, name) + (given or 0)
        for name, given in (
            ("input_tokens", event.input_tokens),
            ("output_tokens", event.output_tokens),
        )
    }
    return replace(totals, **tokens, cost=cost)


@evolves(ModelOverridden)
def _overridden(session: Session, event: ModelOverridden, _: Recorded) -> Changes:
    model = ModelOverride(
        model=event.model, provider=event.provider, reasoning_effort=event.reasoning_effort
    )
    models = session.description.models.put(event.agent, model)
    return {"description": replace(session.description, models=models)}


@evolves(ModelRestored)
def _restored(session: Session, event: ModelRestored, _: Recorded) -> Changes:
    models = session.description.models.drop(event.agent)
    return {"description": replace(session.description, models=models)}


@evolves(SummaryAdded)
def _summarised(session: Session, event: SummaryAdded, recorded: Recorded) -> Changes:
    summaries = session.description.summaries.put(event.summary_id, recorded.sequence)
    described = replace(
        session.description,
        summaries=summaries,
        summary=event,
        summary_since=recorded.sequence,
    )
    return {"description": described}
