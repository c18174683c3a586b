"""How much of the effort of a run each property gets."""

from hypothesis import Phase, settings

_HUNT = 1000


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
