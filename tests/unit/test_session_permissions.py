"""PermissionRules about tools and the approval switch: replaced whole, effective at once."""

import pytest

from domain.errors import Invalid, PermissionDenied
from domain.permissions.grants import Grants
from domain.permissions.permission_rules import PermissionRules
from domain.replacing import replace
from domain.session import events as e
from domain.session.commands import DecidePermission, ReplacePermissions, SwitchToolApproval
from domain.session.state import Policy
from tests.support.builders import created, requested, started, state_after, stopped
from tests.support.given import given
from tests.unit.test_lineage import below

RULES = PermissionRules(
    allow=("read_*",), ask=("shell:cmd=rm*",), deny=("curl",), mode="approve-reads"
)
ENABLED, DISABLED = e.ToolApprovalEnabled(), e.ToolApprovalDisabled()
ON, OFF = SwitchToolApproval(enabled=True), SwitchToolApproval(enabled=False)


@pytest.mark.parametrize("past", [[created()], [created(), started()], [created(), stopped()]])
def test_rules_are_replaced_whole_whatever_the_session_does(past):
    given(past).when(ReplacePermissions(permissions=RULES)).then(
        [e.PermissionsReplaced(permissions=RULES)]
    )


def test_the_rules_that_are_there_already_are_not_recorded_again():
    given([created(permissions=RULES)]).when(ReplacePermissions(permissions=RULES)).then_nothing()
    given([created()]).when(ReplacePermissions(permissions=PermissionRules())).then_nothing()


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (PermissionRules(allow=("ok", "")), "allow[1]"),
        (PermissionRules(ask=("shell:",)), "ask[0]"),
        (PermissionRules(deny=("[",)), "deny[0]"),
        (PermissionRules(mode="anything"), "mode"),  # type: ignore[arg-type]
    ],
)
def test_rules_that_could_not_be_judged_are_refused(wrong, field):
    given([created()]).when(ReplacePermissions(permissions=wrong)).then_refused(
        Invalid, field=field
    )


def test_the_approval_switch_is_recorded_when_it_really_turns():
    given([created()]).when(ON).then([ENABLED])
    given([created(), ENABLED]).when(ON).then_nothing()
    given([created(), ENABLED]).when(OFF).then([DISABLED])
    given([created()]).when(OFF).then_nothing()
    given([created(), stopped()]).when(ON).then([ENABLED])


def test_the_state_knows_what_may_be_done_without_asking():
    grants = Grants(tools=("fs__read",))
    begun = created(permissions=RULES, grants=grants)

    assert state_after([created()]).policy == Policy()
    assert state_after([begun, ENABLED]).policy == Policy(
        rules=RULES, tool_approval=True, grants=grants
    )
    replaced = e.PermissionsReplaced(permissions=PermissionRules(deny=("*",)))
    assert state_after([begun, ENABLED, DISABLED, replaced]).policy == Policy(
        rules=PermissionRules(deny=("*",)), grants=grants
    )


def test_a_stop_and_a_resume_leave_the_rules_as_they_are():
    past = [created(permissions=RULES), ENABLED, stopped(), e.SessionResumed(activation=2)]

    assert state_after(past).policy == Policy(rules=RULES, tool_approval=True)


CHILD = created(type="spawned", lineage=below(1), permissions=RULES)
FORK_OF_A_CHILD = created(permissions=PermissionRules(mode="deny-all"), ceiling=RULES)


@pytest.mark.parametrize("begun", [CHILD, FORK_OF_A_CHILD])
@pytest.mark.parametrize(
    ("asked", "wider"),
    [
        (replace(RULES, mode="approve-all"), ["mode:approve-all"]),
        (replace(RULES, allow=("read_*", "ls")), ["allow:ls"]),
        (replace(RULES, ask=()), ["not ask:shell:cmd=rm*"]),
        (replace(RULES, deny=()), ["not deny:curl"]),
    ],
)
def test_a_child_is_never_given_more_than_it_was_spawned_with(begun, asked, wider):
    given([begun]).when(ReplacePermissions(permissions=asked)).then_refused(
        PermissionDenied, wider=wider
    )
    given([created(permissions=RULES)]).when(ReplacePermissions(permissions=asked)).then(
        [e.PermissionsReplaced(permissions=asked)]
    )


@pytest.mark.parametrize(
    "narrower",
    [
        PermissionRules(mode="deny-all"),
        PermissionRules(mode="ask", deny=("curl", "shell")),
        PermissionRules(mode="approve-reads", deny=("curl", "shell:cmd=rm*")),
    ],
)
def test_a_child_may_be_narrowed_and_given_back_what_it_began_with(narrower):
    replaced = e.PermissionsReplaced(permissions=narrower)

    given([CHILD]).when(ReplacePermissions(permissions=narrower)).then([replaced])
    given([CHILD, replaced]).when(ReplacePermissions(permissions=RULES)).then(
        [e.PermissionsReplaced(permissions=RULES)]
    )


@pytest.mark.parametrize("begun", [CHILD, FORK_OF_A_CHILD])
def test_what_a_child_asks_for_is_not_approved_by_the_switch(begun):
    given([begun]).when(ON).then_refused(PermissionDenied, wider=["tool_approval"])


@pytest.mark.parametrize("mode", ["approve-all", "deny-all"])
def test_the_switch_may_be_turned_where_a_child_asks_for_nothing(mode):
    child = created(type="spawned", lineage=below(1), permissions=PermissionRules(mode=mode))

    given([child]).when(ON).then([ENABLED])


@pytest.mark.parametrize(
    ("grant", "wider"), [("session", ["tool_approval"]), ("tool", ["allow:rm"])]
)
def test_a_grant_gives_a_child_no_more_than_it_was_spawned_with(grant, wider):
    asked = [started(), requested(tool="rm")]
    decide = DecidePermission(request_id="r1", option_id="yes", grant=grant)

    given([CHILD, *asked]).when(decide).then_refused(PermissionDenied, wider=wider)
    given([FORK_OF_A_CHILD, *asked]).when(decide).then_refused(PermissionDenied, wider=wider)
