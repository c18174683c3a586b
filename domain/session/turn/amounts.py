"""Counts and costs added and subtracted as the decimals that were reported: 0.1 and 0.2 are 0.3."""

from decimal import Context, Decimal

_DECIMAL = Context(prec=60, traps=[])
"""Digits enough for any two costs of up to 1e12, whatever the process has set for its own."""


def plus(first: float, second: float) -> float:
    """Return a sum; exact where it has at most 15 digits, else the float nearest to it.

    Args:
        first: A count or a cost.
        second: The same.
    """
    if isinstance(first, int) and isinstance(second, int):
        return first + second
    return float(_DECIMAL.add(_decimal(first), _decimal(second)))


def minus(first: float, second: float) -> float:
    """Return a difference; exact where it has at most 15 digits, else the float nearest to it.

    Args:
        first: A count or a cost.
        second: What is taken from it.
    """
    if isinstance(first, int) and isinstance(second, int):
        return first - second
    return float(_DECIMAL.subtract(_decimal(first), _decimal(second)))


def _decimal(amount: float) -> Decimal:
    # The shortest text that gives this float: what a person or a runtime has written.
    return Decimal(repr(amount))
