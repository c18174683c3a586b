"""What is allowed in recording what a session has used: its totals, set or added to."""

from dataclasses import dataclass
from typing import Literal

from domain.checks import require_between
from domain.errors import Invalid
from domain.replacing import replace
from domain.session.declarations import Command, decides, evolves
from domain.session.events import Recorded, SessionEvent, UsageRecorded
from domain.session.guards import require_present
from domain.session.state import Changes, Session, Totals
from domain.session.turn.amounts import plus
from domain.values import MAX_TOKENS

__all__ = ["RecordUsage"]


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
    require_between(command.input_tokens, "input_tokens", 0, MAX_TOKENS)
    require_between(command.output_tokens, "output_tokens", 0, MAX_TOKENS)
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


@evolves(UsageRecorded)
def _counted(session: Session, event: UsageRecorded, _: Recorded) -> Changes:
    return {"totals": _totals_after(session, event)}


def _totals_after(session: Session, event: UsageRecorded) -> Totals:
    totals = session.totals
    start = replace(totals, input_tokens=0, output_tokens=0, cost=None)
    base = totals if event.mode == "add" else start
    cost = totals.cost
    if event.cost is not None:
        cost = plus(base.cost or 0.0, event.cost)
    tokens = {
        name: getattr(totals if given is None else base, name) + (given or 0)
        for name, given in (
            ("input_tokens", event.input_tokens),
            ("output_tokens", event.output_tokens),
        )
    }
    return replace(totals, **tokens, cost=cost)
