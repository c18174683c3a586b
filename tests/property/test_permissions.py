"""What holds for all rules, calls and grants."""

import dataclasses
from fnmatch import fnmatchcase
from functools import partial

from hypothesis import assume, given
from hypothesis import strategies as st

from domain.errors import Invalid
from domain.permissions.grants import GRANT_CATEGORIES, Grants, normalised, wider_than
from domain.permissions.permission_rules import (
    MODES,
    PermissionRules,
    evaluate,
    literal,
    require_rules,
)
from tests.property.effort import examples

names = st.text("ab:", min_size=1, max_size=3).filter(str.strip)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text("ab", max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=5,
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
globs = st.text("ab*?", min_size=1, max_size=4)
patterns = st.one_of(
    globs,
    st.builds("{}:x={}".format, globs, globs),
    st.text("ab[]!-\\:=*?", max_size=8),
    names.map(literal),
)
lists = st.lists(patterns, max_size=3).map(tuple)
rules = st.builds(PermissionRules, allow=lists, ask=lists, deny=lists, mode=st.sampled_from(MODES))
calls = st.fixed_dictionaries(
    {
        "tool": names,
        "arguments": st.dictionaries(st.sampled_from(["x", "y"]), values),
        "read_only": st.booleans(),
        "tool_approval": st.booleans(),
    }
)
atoms = st.sets(st.sampled_from(["a", "b", "a__*", "*", "/x", "/x/y"]))
grants = st.builds(Grants, **{name: atoms.map(tuple) for name in GRANT_CATEGORIES})


@examples(300)
@given(rules=rules, call=calls, pattern=patterns, at=st.integers(0, 3))
def test_one_more_deny_rule_never_makes_more_allowed(rules, call, pattern, at):
    deny = (*rules.deny[:at], pattern, *rules.deny[at:])
    before = evaluate(rules, **call)
    after = evaluate(dataclasses.replace(rules, deny=deny), **call)

    assert after.decision in {before.decision, "deny"}


@examples(300)
@given(rules=rules, call=calls, pattern=patterns, at=st.integers(0, 3))
def test_one_more_allow_rule_never_changes_what_was_denied(rules, call, pattern, at):
    allow = (*rules.allow[:at], pattern, *rules.allow[at:])
    before = evaluate(rules, **call)
    after = evaluate(dataclasses.replace(rules, allow=allow), **call)

    assert after.decision in {before.decision, "allow"}
    assert (after.decision == "deny") == (before.decision == "deny")


@examples(200)
@given(rules=rules, tool=st.text(), arguments=st.dictionaries(st.just("x"), anything), yes=calls)
def test_every_call_gets_a_verdict_that_ends_with_the_only_step_that_matched(
    rules, tool, arguments, yes
):
    verdict = evaluate(rules, **{**yes, "tool": tool, "arguments": arguments})

    assert [step.matched for step in verdict.considered].index(True) == len(verdict.considered) - 1
    assert verdict.rule == verdict.considered[-1].rule
    assert (verdict.rule is None) == (not verdict.because.endswith("_rule"))


@examples(1000)
@given(glob=st.text("ab-[]!*?^\\", min_size=1, max_size=10), text=st.text("ab-[]!^\\c", max_size=8))
def test_a_glob_means_what_it_means_to_the_shell_functions_of_python(glob, text):
    rules = PermissionRules(allow=(glob,))
    try:
        require_rules(rules)
    except Invalid:
        assume(False)
    call = {"arguments": {}, "read_only": False, "tool_approval": False}
    verdict = evaluate(rules, tool=text, **call)

    assert (verdict.decision == "allow") == fnmatchcase(text, glob)


special = st.text("ab*?[]!-:=\\ \n") | st.text()


@examples(500)
@given(name=special.filter(bool), other=special)
def test_the_literal_of_a_name_matches_this_name_and_no_other(name, other):
    assume(len(literal(name)) <= 500)
    rules = PermissionRules(allow=(literal(name),))
    require_rules(rules)
    judge = partial(evaluate, rules, arguments={}, read_only=False, tool_approval=False)

    assert judge(tool=name).decision == "allow"
    assert (judge(tool=other).decision == "allow") == (name == other)


@examples(200)
@given(parent=grants, child=grants)
def test_a_child_is_wider_when_a_category_is_no_subset_and_only_then(parent, child):
    found = {(name, atom) for name in GRANT_CATEGORIES for atom in getattr(child, name)}
    found -= {(name, atom) for name in GRANT_CATEGORIES for atom in getattr(parent, name)}

    assert set(wider_than(parent, child)) == found
    assert len(wider_than(parent, child)) == len(found)


@examples(100)
@given(parent=grants, category=st.sampled_from(GRANT_CATEGORIES), atom=st.sampled_from("cde"))
def test_one_atom_more_than_the_parent_has_is_found(parent, category, atom):
    wider = (*getattr(parent, category), atom)
    child = dataclasses.replace(parent, **{category: wider})

    assert wider_than(parent, parent) == ()
    assert wider_than(parent, child) == ((category, atom),)


@examples(50)
@given(some=grants)
def test_grants_that_are_normalised_stay_as_they_are(some):
    assert normalised(normalised(some)) == normalised(some)
