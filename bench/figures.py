"""A figure: what was measured, what the floor did in the same minutes, and what was aimed at."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Target:
    """The aim in words, and whether it was met (None: there is nothing to judge)."""

    text: str
    met: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One row of the report. `value` None means that it could not be measured; `note` says why."""

    measure: str
    title: str
    unit: str
    value: float | None = None
    floor: float | None = None
    floor_name: str = ""
    target: Target | None = None
    note: str = ""
    detail: dict[str, object] = field(default_factory=dict)

    @property
    def ratio(self) -> float | None:
        """The figure in units of the floor; none where either is nothing or less."""
        if self.value is None or self.floor is None or self.value <= 0 or self.floor <= 0:
            return None
        return self.value / self.floor


def at_least(value: float, limit: float, text: str) -> Target:
    """More is better."""
    return Target(text, value >= limit)


def at_most(value: float, limit: float, text: str) -> Target:
    """Less is better."""
    return Target(text, value <= limit)
