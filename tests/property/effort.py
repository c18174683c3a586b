"""How much of the effort of a run each property gets."""

from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import Phase, seed, settings

_HUNT = 1000
_MOST_ATTEMPTS = 8


def examples(percent: int, *, steps: int = 0) -> settings:
    """Return settings with this share of the examples of the profile that is loaded.

    Args:
        percent: Of its `max_examples`.
        steps: How far a state machine goes in one example. A failing one is made smaller only in a
            hunt: it takes minutes.
    """
    effort = settings().max_examples
    found = settings(max_examples=max(effort * percent // 100, 1))
    if not steps:
        return found
    phases = tuple(Phase) if effort > _HUNT else (Phase.explicit, Phase.generate)
    return settings(found, stateful_step_count=steps, phases=phases)


def attempts(test: Any, met: Callable[[], object]) -> Iterator[None]:
    """Yield once for each run of a property: again, with other examples, while `met` says no.

    Hypothesis draws constants of the modules that are loaded, so the examples of one run depend on
    what ran before it. What is rare among them can be missing in any one run.

    Args:
        test: The function or state machine whose examples change from one run to the next.
        met: Whether the runs so far met what they must meet to prove anything.
    """
    yield
    for number in range(1, _MOST_ATTEMPTS):
        if met():
            return
        seed(number)(test)
        yield
