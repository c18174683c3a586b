"""What the guide to permission rules says is what happens."""

import json
import re

import pytest

from domain.errors import Invalid
from domain.permissions.permission_rules import PermissionRules, evaluate, require_rules
from tests.support.docs import ROOT

TEXT = (ROOT / "docs/permissions.md").read_text("utf-8")
STEPS = re.findall(r"^\| (\d) \| `(\w+)` \| .+ \| (\w+) \| `(\w+)` \|$", TEXT, re.MULTILINE)
MATCHES = re.findall(r"^\| `(.+)` \| `(.+)` \| `(.+)` \| (yes|no) \|$", TEXT, re.MULTILINE)
REFUSED = re.findall(r"^\| `([^`]+)` \| [^`|]+(?:`[^`]+`[^`|]*)* \|$", TEXT, re.MULTILINE)


def judged(rules: PermissionRules, *, on: bool = False, read_only: bool = False):
    return evaluate(rules, tool="t", arguments={}, tool_approval=on, read_only=read_only)


def test_the_tables_are_found():
    assert len(STEPS) == 8
    assert len(MATCHES) == 27
    assert len(REFUSED) == 8


def test_the_steps_are_taken_in_the_order_of_the_table():
    considered = judged(PermissionRules()).considered

    assert [step.name for step in considered] == [name for _, name, _, _ in STEPS]
    assert [number for number, _, _, _ in STEPS] == list("12345678")


def test_each_step_decides_what_the_table_says():
    verdicts = [
        judged(PermissionRules(deny=("t",), mode="deny-all")),
        judged(PermissionRules(allow=("t",), mode="deny-all"), on=True),
        judged(PermissionRules(allow=("t",), ask=("t",)), on=True),
        judged(PermissionRules(allow=("t",), ask=("t",))),
        judged(PermissionRules(ask=("t",), mode="approve-all")),
        judged(PermissionRules(mode="approve-all"), read_only=True),
        judged(PermissionRules(mode="approve-reads"), read_only=True),
        judged(PermissionRules(mode="approve-reads")),
    ]

    said = [(one.considered[-1].name, one.decision, one.because) for one in verdicts]
    assert said == [(name, decision, because) for _, name, decision, because in STEPS]


@pytest.mark.parametrize(("pattern", "tool", "arguments", "matches"), MATCHES)
def test_a_pattern_matches_as_the_table_says(pattern, tool, arguments, matches):
    rules = PermissionRules(allow=(pattern,))
    require_rules(rules)

    verdict = evaluate(
        rules, tool=tool, arguments=json.loads(arguments), tool_approval=False, read_only=False
    )

    assert (verdict.because == "allow_rule") == (matches == "yes")


@pytest.mark.parametrize("pattern", REFUSED)
def test_a_pattern_is_refused_as_the_table_says(pattern):
    with pytest.raises(Invalid):
        require_rules(PermissionRules(deny=(pattern,)))
