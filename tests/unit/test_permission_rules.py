"""Which calls the rules of a session allow, and what a child may be given."""

import time

import pytest

from domain.errors import Invalid
from domain.permissions.grants import GRANT_CATEGORIES, MAX_ATOMS, Grants, normalised, wider_than
from domain.permissions.permission_rules import (
    MAX_RULES,
    PermissionRules,
    Step,
    evaluate,
    literal,
    option_for,
    require_rules,
)

LONG = 65_536


def judged(
    rules=None, /, *, tool="shell", arguments=None, read_only=False, tool_approval=False, **lists
):
    return evaluate(
        rules
        or PermissionRules(
            **{name: tuple(given) for name, given in lists.items() if name != "mode"}
        ),
        tool=tool,
        arguments=arguments or {},
        read_only=read_only,
        tool_approval=tool_approval,
    )


def matches(pattern, tool="shell", **arguments):
    require_rules(PermissionRules(allow=(pattern,)))
    return judged(allow=[pattern], tool=tool, arguments=arguments).because == "allow_rule"


def test_given_a_deny_rule_when_all_else_allows_then_the_call_is_denied():
    verdict = judged(
        PermissionRules(allow=("*",), deny=("read", "sh*"), mode="approve-all"),
        tool_approval=True,
        read_only=True,
    )

    assert (verdict.decision, verdict.because, verdict.rule) == ("deny", "deny_rule", "sh*")
    assert verdict.considered == (Step(name="deny_rules", matched=True, rule="sh*"),)


def test_given_no_rules_when_a_call_comes_then_a_person_is_asked_and_every_step_was_looked_at():
    verdict = judged()

    assert (verdict.decision, verdict.because, verdict.rule) == ("ask", "default", None)
    assert [(step.name, step.matched) for step in verdict.considered] == [
        ("deny_rules", False),
        ("mode_deny_all", False),
        ("tool_approval", False),
        ("allow_rules", False),
        ("ask_rules", False),
        ("mode_approve_all", False),
        ("mode_approve_reads", False),
        ("default", True),
    ]


@pytest.mark.parametrize(
    ("rules", "given", "decision", "because", "rule"),
    [
        (
            PermissionRules(mode="deny-all", allow=("*",)),
            {"tool_approval": True},
            "deny",
            "mode",
            None,
        ),
        (PermissionRules(ask=("*",)), {"tool_approval": True}, "allow", "tool_approval", None),
        (PermissionRules(allow=("s*",), ask=("*",)), {}, "allow", "allow_rule", "s*"),
        (PermissionRules(ask=("s*",), mode="approve-all"), {}, "ask", "ask_rule", "s*"),
        (
            PermissionRules(ask=("s*",), mode="approve-reads"),
            {"read_only": True},
            "ask",
            "ask_rule",
            "s*",
        ),
        (PermissionRules(mode="approve-all"), {}, "allow", "mode", None),
        (PermissionRules(mode="approve-reads"), {"read_only": True}, "allow", "read_only", None),
        (PermissionRules(mode="approve-reads"), {}, "ask", "default", None),
        (PermissionRules(), {"read_only": True}, "ask", "default", None),
    ],
)
def test_given_several_reasons_when_a_call_comes_then_the_first_of_the_order_decides(
    rules, given, decision, because, rule
):
    verdict = judged(rules, **given)

    assert (verdict.decision, verdict.because, verdict.rule) == (decision, because, rule)
    assert [step.matched for step in verdict.considered[:-1]] == [False] * (
        len(verdict.considered) - 1
    )
    assert verdict.considered[-1].matched


def test_given_two_rules_that_match_when_a_call_comes_then_the_first_of_the_list_is_named():
    assert judged(allow=["x", "she*", "*"]).rule == "she*"


def test_given_arguments_when_one_of_the_globs_does_not_match_then_the_rule_does_not():
    assert matches("shell:cmd=ls*:cwd=/home/*", cmd="ls -l", cwd="/home/a")
    assert not matches("shell:cmd=ls*:cwd=/home/*", cmd="ls -l", cwd="/etc")
    assert not matches("shell:cmd=ls*:cwd=/home/*", cmd="ls -l")
    assert matches("shell:cmd=ls*:cmd=*l", cmd="ls -l")
    assert not matches("shell:cmd=ls*:cmd=*l", cmd="ls -a")


def test_given_an_argument_over_several_lines_when_it_is_matched_then_a_star_takes_all_of_them():
    assert matches("shell:cmd=*rm *", cmd="ls\n\nrm -r /\n")
    assert matches("shell:cmd=a?b", cmd="a\nb")
    assert not matches("shell:cmd=ls", cmd="ls\n")


def test_given_an_escaped_separator_when_it_is_matched_then_it_is_that_character():
    assert matches(r"a\:b\=c:d\=\:e=f\:g\=h=i", "a:b=c", **{"d=:e": "f:g=h=i"})
    assert matches(r"a[\:\=]b", "a:b")
    assert not matches(r"a[\:\=]b", "a\\b")
    assert matches(r"dir[\]:x=1", "dir\\", x=1)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (None, "null"),
        (1, "1"),
        (1.5, "1.5"),
        ([], "[[]]"),
        ([1, "ü"], '[[]1,"ü"]'),
        ({"b": {"c": 1}, "a": 2}, r'{"a"\:2,"b"\:{"c"\:1}}'),
    ],
)
def test_given_an_argument_that_is_no_string_when_it_is_matched_then_its_compact_json_is(
    value, text
):
    assert matches(f"shell:x={text}", x=value)


def test_given_an_argument_that_is_too_long_when_it_is_named_then_every_list_fails_closed():
    short, long = {"a": "x" * LONG}, {"a": "x" * (LONG + 1)}

    assert judged(allow=["shell:a=x*"], arguments=short).decision == "allow"
    assert judged(allow=["shell:a=x*"], arguments=long).decision == "ask"
    assert judged(deny=["shell:a=y"], arguments=short).decision == "ask"
    assert judged(deny=["shell:a=y"], arguments=long).decision == "deny"
    assert judged(ask=["shell:a=y"], arguments=short).because == "default"
    assert judged(ask=["shell:a=y"], arguments=long).because == "ask_rule"
    assert judged(allow=["shell"], deny=["shell:b=*"], arguments=long).decision == "allow"
    assert judged(deny=["other:a=y"], arguments=long).decision == "ask"


def test_given_rules_that_take_too_long_together_when_they_are_judged_then_the_rest_fails_closed():
    """Each of these looks 64 times at each place: the first nine of them are what one call gets."""
    slow = [f"shell:a=*[!x]{'a' * 62}{n}*" for n in range(10)]
    text = {"a": "a" * (LONG - 1) + "!"}

    assert judged(deny=slow[:9], allow=["shell:b=*"], arguments=text).decision == "ask"
    assert judged(deny=slow, arguments=text).rule == slow[9]
    assert judged(allow=[*slow, "shell:a=*!*"], arguments=text).decision == "ask"
    assert judged(allow=[*slow, "shell:a=*!"], arguments=text).decision == "allow"
    plain = [f"shell:a=*{n}*" for n in range(MAX_RULES)]
    assert judged(allow=plain, ask=plain, deny=plain, arguments=text).because == "default"


def test_given_an_argument_nested_too_deep_for_text_when_it_is_named_then_it_fails_closed():
    deep = []
    for _ in range(100_000):
        deep = [deep]

    assert judged(allow=["shell:a=*"], arguments={"a": deep}).decision == "ask"
    assert judged(deny=["shell:a=y"], arguments={"a": deep}).decision == "deny"


def test_given_the_name_of_a_tool_that_is_too_long_when_it_is_judged_then_it_fails_closed():
    assert judged(allow=["*"], tool="x" * (LONG + 1)).decision == "ask"
    assert judged(deny=["y"], tool="x" * (LONG + 1)).decision == "deny"


def test_given_a_pattern_that_cannot_be_parsed_when_a_call_comes_then_it_fails_closed():
    assert judged(deny=["read["]).decision == "deny"
    assert judged(ask=["read["]).because == "ask_rule"
    assert judged(allow=["read["]).decision == "ask"


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("", "has an empty name of a tool, or one with blanks around it"),
        (" shell", "has an empty name of a tool, or one with blanks around it"),
        (":a=b", "has an empty name of a tool, or one with blanks around it"),
        ("shell:", r"must have name=glob behind each colon; write \: for the character itself"),
        ("shell:a", r"must have name=glob behind each colon; write \: for the character itself"),
        ("shell:=a", "has an empty name of an argument, or one with blanks around it"),
        ("shell:a =b", "has an empty name of an argument, or one with blanks around it"),
        ("a=b", r"has a = in the name of the tool; write \= for the character itself"),
        ("a[", "has a [ without its ]; write [[] for the character itself"),
        ("a[!]", "has a [ without its ]; write [[] for the character itself"),
        ("a:b=[", "has a [ without its ]; write [[] for the character itself"),
        ("[b-a]", "has the range b-a, which holds nothing"),
        ("x" * 501, "has 501 characters; at most 500"),
        ("*a" * 17, "has a glob with 17 of *, ? and [...]; at most 16"),
        ("?" * 17, "has a glob with 17 of *, ? and [...]; at most 16"),
        ("t" + ":a=b" * 9, "has 9 arguments; at most 8"),
        (
            "*?" + "a" * 64 + "*",
            "has 65 characters with a ? or [...] between two stars; at most 64",
        ),
    ],
)
def test_given_a_wrong_pattern_when_it_is_set_then_it_is_refused_with_its_place(pattern, why):
    for name in ("allow", "ask", "deny"):
        with pytest.raises(Invalid) as refusal:
            require_rules(PermissionRules(**{name: ("shell", pattern)}))
        assert refusal.value.detail == f"{name}[1] {why}"
        assert refusal.value.facts == {"field": f"{name}[1]"}


def test_given_patterns_at_the_limits_when_they_are_set_then_they_pass():
    slow = ("t:a=*" + "a" * 63 + "?*",) * 20
    most = tuple("x" * 500 for _ in range(180))
    require_rules(PermissionRules(allow=slow + most, ask=slow + most, deny=slow + most))
    require_rules(PermissionRules(deny=("*a" * 16, "t" + ":a=b" * 8, "[*]" * 100)))


@pytest.mark.parametrize(
    ("rules", "field", "why"),
    [
        (PermissionRules(ask=("a",) * 201), "ask", "ask has 201 rules; at most 200"),
        (
            PermissionRules(deny=("*?*:a=*?*",) * 10 + ("*?*",)),
            "deny",
            "deny has 21 globs with a ? or [...] between two stars; at most 20",
        ),
        (
            PermissionRules(mode="yolo"),  # type: ignore[arg-type]
            "mode",
            "mode must be one of ask, approve-reads, approve-all, deny-all",
        ),
    ],
)
def test_given_too_many_rules_or_no_mode_when_they_are_set_then_they_are_refused(rules, field, why):
    with pytest.raises(Invalid) as refusal:
        require_rules(rules)

    assert (refusal.value.detail, refusal.value.facts) == (why, {"field": field})


@pytest.mark.parametrize(
    ("pattern", "many"),
    [
        ("t:a=" + "a*" * 15 + "b{}", 200),
        ("t:a=*" + "a" * 480 + "b{}*", 200),
        ("t:a=*" + "a" * 30 + "?" + "a" * 29 + "b{}*", 20),
        ("t:a=*" + "[ab]" * 13 + "b{}*", 20),
    ],
)
def test_given_the_slowest_rules_when_the_longest_text_comes_then_it_does_not_take_long(
    pattern, many
):
    rules = PermissionRules(allow=tuple(pattern.format(n) for n in range(many)))
    require_rules(rules)

    began = time.process_time()
    verdict = judged(rules, tool="t", arguments={"a": "a" * LONG})

    # Measured: up to 0.12 s. With backtracking it would not end.
    assert time.process_time() - began < 3
    assert verdict.decision == "ask"


@pytest.mark.parametrize(
    "name", ["shell", "a*b?c[d]e", "a:b=c\\", "\\:", "[", " a ", "\n", "*" * 100, "!]-^", "ä🪨"]
)
def test_given_the_literal_of_a_name_when_it_is_set_then_it_matches_this_tool_only(name):
    assert matches(literal(name), name)
    assert not matches(literal(name), name + "x")
    assert not matches(literal(name), "x" + name)
    assert not matches(literal(name), "x" * len(name))


def test_given_untidy_grants_when_they_are_normalised_then_they_are_trimmed_sorted_and_once():
    tidy = normalised(Grants(tools=(" b", "a", "b", "a ")))

    assert tidy == Grants(tools=("a", "b"))
    assert normalised(tidy) == tidy


@pytest.mark.parametrize("category", GRANT_CATEGORIES)
@pytest.mark.parametrize("blank", ["", " ", "\t"])
def test_given_a_blank_atom_when_grants_are_compared_then_either_side_is_refused(category, blank):
    wrong, right = Grants(**{category: ("a", blank)}), Grants(**{category: ("a",)})
    for sides in ((wrong, right), (right, wrong)):
        with pytest.raises(Invalid) as refusal:
            wider_than(*sides)
        assert refusal.value.facts == {"field": f"{category}[1]"}


@pytest.mark.parametrize(
    "atoms", [("a\x00",), ("x" * 1_025,), tuple(str(n) for n in range(MAX_ATOMS + 1))]
)
def test_given_atoms_that_cannot_be_stored_when_they_are_normalised_then_they_are_refused(atoms):
    with pytest.raises(Invalid):
        normalised(Grants(skills=atoms))


@pytest.mark.parametrize("category", GRANT_CATEGORIES)
def test_given_a_child_with_one_atom_more_when_it_is_compared_then_this_atom_is_named(category):
    parent = Grants(**dict.fromkeys(GRANT_CATEGORIES, ("a", "b")))
    child = Grants(**{category: ("b", "c", " a ")})

    assert wider_than(parent, child) == ((category, "c"),)


def test_given_what_looks_wider_when_it_is_compared_then_only_equal_atoms_count():
    parent = Grants(tools=("*", "a__*"), workspace_paths=("/work",))
    child = Grants(tools=("a__b",), skills=("*",), workspace_paths=("/work/x", "/work/"))

    assert wider_than(parent, child) == (
        ("tools", "a__b"),
        ("skills", "*"),
        ("workspace_paths", "/work/"),
        ("workspace_paths", "/work/x"),
    )


def test_given_a_child_with_nothing_when_it_is_compared_then_it_is_never_wider():
    assert wider_than(Grants(), Grants()) == ()
    assert wider_than(Grants(tools=("a",)), Grants()) == ()


@pytest.mark.parametrize(
    ("decision", "kinds", "answer"),
    [
        ("allow", ["allow_always", "allow_once", "reject_once"], "allow_once"),
        ("allow", ["reject_once", "allow-always"], "allow-always"),
        ("allow", ["allow-once", "allow_once"], "allow-once"),
        ("allow", ["reject_once", "reject_always"], None),
        ("deny", ["allow_once", "reject-always", "reject-once"], "reject-once"),
        ("deny", ["allow_once", "reject_always"], "reject_always"),
        ("deny", ["allow_once", "other"], None),
        ("deny", [], None),
    ],
)
def test_given_offered_options_when_a_rule_answers_then_once_is_preferred(decision, kinds, answer):
    assert option_for(decision, kinds) == answer
