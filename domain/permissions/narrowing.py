"""Whether rules about tools allow more than others: a child's may only be narrower."""

from domain.errors import PermissionDenied
from domain.permissions.permission_rules import Mode, PermissionRules

_BY_REACH: tuple[Mode, ...] = ("deny-all", "ask", "approve-reads", "approve-all")


def wider_rules(held: PermissionRules, asked: PermissionRules) -> list[str]:
    """Return what some rules allow beyond others by their mode and their allow patterns.

    Args:
        held: What may not be exceeded.
        asked: What is asked for; its ask and deny patterns are to be added to those held.
    """
    wider: list[str] = []
    if _BY_REACH.index(asked.mode) > _BY_REACH.index(held.mode):
        wider.append(f"mode:{asked.mode}")
    if held.mode != "approve-all" or held.ask:
        # Whether one pattern covers another cannot be told, only whether they are equal.
        wider += [f"allow:{pattern}" for pattern in asked.allow if pattern not in held.allow]
    return wider


def require_within(ceiling: PermissionRules | None, rules: PermissionRules) -> None:
    """Refuse rules of a child, or of a fork of one, that allow more than it was spawned with.

    Args:
        ceiling: What they may not exceed; None is no bound.
        rules: Those that are to hold.
    """
    wider = [] if ceiling is None else _beyond(ceiling, rules)
    if wider:
        named = ", ".join(wider[:5])
        raise PermissionDenied(
            f"the rules of a child never exceed those it was spawned with; leave out {named}",
            wider=wider,
        )


def _beyond(ceiling: PermissionRules, asked: PermissionRules) -> list[str]:
    wider = wider_rules(ceiling, asked)
    if asked.mode == "deny-all":
        return wider
    wider += [f"not deny:{one}" for one in ceiling.deny if one not in asked.deny]
    if asked.mode != "ask":
        kept = (*asked.ask, *asked.deny)
        wider += [f"not ask:{one}" for one in ceiling.ask if one not in kept]
    return wider


def require_approval_within(ceiling: PermissionRules | None) -> None:
    """Refuse tool approval to a child, or a fork of one, if the rules it was spawned with ask.

    Args:
        ceiling: What narrowed it; None is no bound.
    """
    if ceiling is not None and not _asks_nothing(ceiling):
        raise PermissionDenied(
            "the rules that this child was spawned with ask; answer what it asks for",
            wider=["tool_approval"],
        )


def _asks_nothing(rules: PermissionRules) -> bool:
    # Tool approval then allows no more than they do.
    return rules.mode == "deny-all" or (rules.mode == "approve-all" and not rules.ask)
