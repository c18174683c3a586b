"""Title, mark and tags."""

import pytest

from domain.errors import Invalid
from domain.session import events as e
from domain.session.commands import DescribeSession
from domain.values import Agent
from tests.support.builders import created, started, state_after, stopped
from tests.support.given import given


def describe(**fields) -> DescribeSession:
    return DescribeSession(fields=frozenset(fields), **fields)


def test_one_event_for_each_field_that_changes():
    given([created()]).when(describe(title="T", starred=True, tags=("a",))).then(
        [e.SessionRenamed(title="T"), e.SessionStarred(), e.SessionTagged(tags=("a",))]
    )


def test_what_is_the_same_is_already_so():
    past = [created(title="T", tags=("a",)), e.SessionStarred()]

    given(past).when(describe(title="T", starred=True, tags=("a",))).then_nothing()


def test_what_is_not_named_stays():
    command = DescribeSession(fields=frozenset({"starred"}), title="ignored", starred=True)

    given([created(title="T")]).when(command).then([e.SessionStarred()])


def test_a_title_can_be_taken_away():
    given([created(title="T")]).when(describe(title=None)).then([e.SessionRenamed(title=None)])


def test_the_mark_can_be_taken_away():
    given([created(), e.SessionStarred()]).when(describe(starred=False)).then(
        [e.SessionUnstarred()]
    )


def test_the_order_of_tags_is_part_of_them():
    given([created(tags=("a", "b"))]).when(describe(tags=("b", "a"))).then(
        [e.SessionTagged(tags=("b", "a"))]
    )


@pytest.mark.parametrize("past", [[created(), started()], [created(), stopped()]])
def test_a_session_can_be_described_whatever_it_is_doing(past):
    given(past).when(describe(title="T")).then([e.SessionRenamed(title="T")])


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (describe(title="  "), "title"),
        (describe(title="a\tb"), "title"),
        (describe(tags=("a", "a")), "tags"),
        (describe(tags=("a", "")), "tags[1]"),
    ],
)
def test_what_lists_could_not_show_is_refused(wrong, field):
    given([created()]).when(wrong).then_refused(Invalid, field=field)


def test_the_state_has_what_was_described_last():
    now = state_after(
        [
            created(title="old", tags=("x",), agent=Agent(name="a"), metadata={"k": 1}),
            e.SessionRenamed(title="new"),
            e.SessionTagged(tags=("y",)),
            e.SessionStarred(),
            e.SessionUnstarred(),
            e.AgentSwitched(agent=Agent(name="b")),
        ]
    ).description

    assert (now.title, now.tags, now.starred) == ("new", ("y",), False)
    assert (now.agent, now.metadata) == (Agent(name="b"), {"k": 1})
