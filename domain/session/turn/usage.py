"""How what turns use is counted: once, whether it is reported within a turn or at its end."""

from typing import Any

from domain.replacing import replace
from domain.session.state import Totals
from domain.session.turn.amounts import minus, plus
from domain.values import COUNTS, Usage


def add_usage(totals: Totals, usage: Usage | None) -> Totals:
    """Return totals with what a turn has used."""
    if usage is None:
        return totals
    cost = totals.cost if usage.cost is None else plus(totals.cost or 0.0, usage.cost)
    return replace(
        totals,
        input_tokens=totals.input_tokens + (usage.input_tokens or 0),
        output_tokens=totals.output_tokens + (usage.output_tokens or 0),
        cost=cost,
    )


def beyond(whole: Usage | None, parts: Usage | None) -> Usage | None:
    """Return what the end of a turn says was used beyond what was reported within it.

    Args:
        whole: What the turn used in all, as its end says.
        parts: What its reports have counted already.
    """
    if whole is None or parts is None:
        return whole
    rest: dict[str, Any] = {
        name: max(0, minus(count, getattr(parts, name) or 0))
        for name in COUNTS
        if (count := getattr(whole, name)) is not None
    }
    return Usage(**rest, currency=whole.currency)
