"""Which tool calls a session allows, and which grants of a parent a child may have.

Everything here fails closed: what cannot be judged counts as matched by a deny or an ask rule, and
as not matched by an allow rule.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from domain.errors import Invalid
from domain.permissions.patterns import MAX_TEXT, Glob, Pattern, parse
from domain.permissions.patterns import literal as literal

Mode = Literal["ask", "approve-reads", "approve-all", "deny-all"]
Decision = Literal["allow", "deny", "ask"]
Because = Literal[
    "deny_rule", "mode", "tool_approval", "allow_rule", "ask_rule", "read_only", "default"
]
StepName = Literal[
    "deny_rules",
    "mode_deny_all",
    "tool_approval",
    "allow_rules",
    "ask_rules",
    "mode_approve_all",
    "mode_approve_reads",
    "default",
]

MODES: tuple[Mode, ...] = ("ask", "approve-reads", "approve-all", "deny-all")
MAX_RULES = 200
MAX_SLOW_GLOBS = 20
MAX_EFFORT = 40_000_000
"""Places of text that are looked at for one call: up to 0.4 s. All rules that there may be need as
many for one argument of the greatest length, if none has a `?` or `[...]` between two stars."""

_LISTS = ("allow", "ask", "deny")
_PREFERRED: Mapping[str, tuple[str, str]] = {
    "allow": ("allow_once", "allow_always"),
    "deny": ("reject_once", "reject_always"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PermissionRules:
    """The patterns of a session, and what its mode says where none of them matches."""

    allow: tuple[str, ...] = ()
    ask: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    mode: Mode = "ask"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One question that was asked about a call; `rule` is the pattern that matched, if one did."""

    name: StepName
    matched: bool
    rule: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What happens to a call and why; `considered` ends with the step that decided."""

    decision: Decision
    because: Because
    rule: str | None
    considered: tuple[Step, ...]


def require_rules(rules: PermissionRules) -> None:
    """Refuse rules of which one could not be judged, or never match, when a call comes.

    Args:
        rules: At most 200 patterns a list, each of at most 500 characters; at most 20 globs a
            list with a `?` or `[...]` between two stars.

    Raises:
        Invalid: The mode is not known, a list is too long, or a pattern cannot be parsed; `field`
            names the list and the place in it, as `deny[2]`.
    """
    if rules.mode not in MODES:
        raise Invalid(f"mode must be one of {', '.join(MODES)}", field="mode")
    for name in _LISTS:
        patterns: tuple[str, ...] = getattr(rules, name)
        if len(patterns) > MAX_RULES:
            raise Invalid(f"{name} has {len(patterns)} rules; at most {MAX_RULES}", field=name)
        slow = 0
        for index, text in enumerate(patterns):
            try:
                slow += parse(text).slow
            except ValueError as error:
                field = f"{name}[{index}]"
                raise Invalid(f"{field} {error}", field=field) from None
        if slow > MAX_SLOW_GLOBS:
            why = f"{name} has {slow} globs with a ? or [...] between two stars"
            raise Invalid(f"{why}; at most {MAX_SLOW_GLOBS}", field=name)


def evaluate(
    rules: PermissionRules,
    *,
    tool: str,
    arguments: Mapping[str, Any],
    read_only: bool,
    tool_approval: bool,
) -> Evaluation:
    """Return what happens to a call; the first step that matches decides.

    A deny rule comes before the approval switch: whoever switched all questions off did not mean
    what was forbidden by name.

    Args:
        rules: Those of the session. A pattern that cannot be parsed denies, asks, but never allows.
        tool: The name of the tool.
        arguments: What it is called with, JSON values; one whose text has more than 65,536
            characters cannot be judged, nor what takes more than `MAX_EFFORT` in all.
        read_only: The tool says that it changes nothing.
        tool_approval: The approval switch of the session is on.
    """
    call = _Call(tool, arguments)
    considered: list[Step] = []

    def matched(name: StepName, *, rule: str | None = None, so: bool = True) -> bool:
        considered.append(Step(name=name, matched=so, rule=rule))
        return so

    def by_rule(name: StepName, patterns: Sequence[str], *, unsure: bool) -> bool:
        found = next((text for text in patterns if call.is_matched(text, unsure=unsure)), None)
        return matched(name, rule=found, so=found is not None)

    decision: Decision = "ask"
    because: Because = "default"
    if by_rule("deny_rules", rules.deny, unsure=True):
        decision, because = "deny", "deny_rule"
    elif matched("mode_deny_all", so=rules.mode == "deny-all"):
        decision, because = "deny", "mode"
    elif matched("tool_approval", so=tool_approval):
        decision, because = "allow", "tool_approval"
    elif by_rule("allow_rules", rules.allow, unsure=False):
        decision, because = "allow", "allow_rule"
    elif by_rule("ask_rules", rules.ask, unsure=True):
        decision, because = "ask", "ask_rule"
    elif matched("mode_approve_all", so=rules.mode == "approve-all"):
        decision, because = "allow", "mode"
    elif matched("mode_approve_reads", so=rules.mode == "approve-reads" and read_only):
        decision, because = "allow", "read_only"
    else:
        matched("default")
    return Evaluation(
        decision=decision,
        because=because,
        rule=considered[-1].rule,
        considered=tuple(considered),
    )


class _Call:
    """A tool call as text, each argument turned into text once, when a rule names it."""

    def __init__(self, tool: str, arguments: Mapping[str, Any]) -> None:
        self._tool = tool
        self._arguments = arguments
        self._texts: dict[str, str | None] = {}
        self._effort_left = MAX_EFFORT

    def is_matched(self, text: str, *, unsure: bool) -> bool:
        """Return whether a rule matches, or `unsure` when that cannot be judged."""
        try:
            pattern = parse(text)
        except ValueError:
            return unsure
        if len(self._tool) > MAX_TEXT:
            return unsure
        return pattern.tool.matches(self._tool) and self._arguments_match(pattern, unsure)

    def _arguments_match(self, pattern: Pattern, unsure: bool) -> bool:
        for name, glob in pattern.arguments:
            if name not in self._arguments:
                return False
            text = self._text(name)
            matched = unsure if text is None else self._matches(glob, text, unsure)
            if not matched:
                return False
        return True

    def _matches(self, glob: Glob, text: str, unsure: bool) -> bool:
        if glob.is_cheap:
            return glob.matches(text)
        self._effort_left -= glob.effort * len(text)
        return glob.matches(text) if self._effort_left >= 0 else unsure

    def _text(self, name: str) -> str | None:
        if name not in self._texts:
            self._texts[name] = _as_text(self._arguments[name])
        return self._texts[name]


def _as_text(value: Any) -> str | None:
    if isinstance(value, str):
        text = value
    else:
        try:
            text = json.dumps(
                value,
                ensure_ascii=False,
                separators=(",", ":"),
                sort_keys=True,
                default=_plain,
            )
        except (RecursionError, TypeError, ValueError):
            return None
    return text if len(text) <= MAX_TEXT else None


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    raise TypeError


def option_for(decision: Literal["allow", "deny"], kinds: Sequence[str]) -> str | None:
    """Return which of the offered option kinds says this, once rather than always.

    Args:
        decision: What was decided without a person.
        kinds: As offered, with underscores or hyphens; the answer is one of them, unchanged.
    """
    for wanted in _PREFERRED[decision]:
        for kind in kinds:
            if kind.replace("-", "_") == wanted:
                return kind
    return None
