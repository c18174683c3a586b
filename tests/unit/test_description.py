"""Title, mark and tags, what was used, models and summaries."""

import pytest

from domain.errors import (
    Invalid,
    InvalidRuntimeOverride,
    LimitReached,
    MessageNotFound,
    SummaryExists,
)
from domain.session import events as e
from domain.session.commands import AddSummary, DescribeSession, OverrideModel, RecordUsage
from domain.session.content.model_overrides import MAX_OVERRIDES
from domain.session.content.summaries import MAX_SUMMARY_CHARACTERS
from domain.session.state import Totals
from domain.values import REASONING_EFFORTS, Agent, ModelChoice, Usage
from tests.support.builders import added, completed, created, started, state_after, stopped
from tests.support.given import given

WHENEVER = [[created()], [created(), started()], [created(), stopped()], [created(starting=True)]]


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
        (describe(title="a\x00b"), "title"),
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


# ── what was used ────────────────────────────────────────────────────────────────────────────


def recorded(mode: str = "add", **counted) -> e.UsageRecorded:
    return e.UsageRecorded(**{"mode": mode} | counted)


def count(mode: str = "add", **counted) -> RecordUsage:
    return RecordUsage(**{"mode": mode} | counted)


@pytest.mark.parametrize("past", WHENEVER, ids=str)
def test_what_was_used_can_be_counted_whatever_the_session_does(past):
    given(past).when(count(input_tokens=3, output_tokens=4, cost=0.5)).then(
        [recorded(input_tokens=3, output_tokens=4, cost=0.5)]
    )


def test_totals_are_added_to_or_set_and_what_is_not_named_stays():
    past = [created(), recorded(input_tokens=10, output_tokens=20, cost=1.0)]

    assert state_after([*past, recorded(input_tokens=1)]).totals == Totals(0, 11, 20, 1.0)
    assert state_after([*past, recorded(cost=0.5)]).totals == Totals(0, 10, 20, 1.5)
    assert state_after([*past, recorded("set", input_tokens=1)]).totals == Totals(0, 1, 20, 1.0)
    assert state_after([*past, recorded("set", cost=0.5)]).totals == Totals(0, 10, 20, 0.5)
    assert state_after([*past, recorded(cost=0.1), recorded(cost=0.2)]).totals.cost == 1.3
    assert state_after([*past, recorded("set", cost=0.0)]).totals == Totals(0, 10, 20, 0.0)


def test_what_makes_no_difference_is_not_recorded():
    past = [created(), recorded(input_tokens=10, cost=1.0)]

    given(past).when(count("set", input_tokens=10)).then_nothing()
    given(past).when(count(input_tokens=0)).then_nothing()
    given(past).when(count(cost=0.0)).then_nothing()
    given([created()]).when(count("set", cost=0.0)).then([recorded("set", cost=0.0)])


def test_counting_keeps_the_number_of_turns_and_what_runtimes_report():
    past = [
        created(), started(), e.UsageReported(input_tokens=1), recorded(input_tokens=10),
        completed(usage=Usage(input_tokens=100)),
    ]  # fmt: skip

    assert state_after(past).totals == Totals(1, 110, 0, None)


@pytest.mark.parametrize(
    ("reports", "end", "counted"),
    [
        ([(100, None), (120, None)], Usage(input_tokens=220), (220, 0, None)),
        ([(100, None), (120, None)], Usage(input_tokens=300), (300, 0, None)),
        ([(100, None), (120, None)], Usage(input_tokens=50), (220, 0, None)),
        ([(100, 0.25), (120, 0.25)], Usage(cost=0.75), (220, 0, 0.75)),
        ([(100, 0.1), (120, 0.2)], None, (220, 0, 0.3)),
        ([(100, 0.1), (120, 0.2)], Usage(cost=0.9), (220, 0, 0.9)),
        ([(100, None)], Usage(output_tokens=7), (100, 7, None)),
        ([(100, 0.5)], None, (100, 0, 0.5)),
        ([], Usage(input_tokens=220, cost=0.0), (220, 0, 0.0)),
    ],
)
def test_what_a_turn_used_is_counted_once(reports, end, counted):
    said = [e.UsageReported(input_tokens=tokens, cost=cost) for tokens, cost in reports]
    past = [created(), started(), *said, completed(usage=end)]

    assert state_after(past).totals == Totals(1, *counted)


def test_each_turn_is_counted_by_itself():
    whole = Usage(input_tokens=10)
    past = [
        created(), started("t1"), e.UsageReported(input_tokens=10), completed("t1", usage=whole),
        started("t2", message_id="m2"), completed("t2", usage=whole),
    ]  # fmt: skip

    assert state_after(past).totals == Totals(2, 20, 0, None)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (count(), "mode"),
        (count("set"), "mode"),
        (count(input_tokens=-1), "input_tokens"),
        (count(output_tokens=2**53 + 1), "output_tokens"),
        (count(cost=-0.1), "cost"),
        (count(cost=float("nan")), "cost"),
        (count(cost=float("inf")), "cost"),
    ],
)
def test_what_was_used_is_a_number_that_can_be(wrong, field):
    given([created()]).when(wrong).then_refused(Invalid, field=field)


# ── models ───────────────────────────────────────────────────────────────────────────────────

FULL = {"model": "m-2", "provider": "acme", "reasoning_effort": "low"}


@pytest.mark.parametrize("past", WHENEVER, ids=str)
def test_an_agent_gets_another_model_whatever_the_session_does(past):
    given(past).when(OverrideModel(agent="coder", **FULL)).then(
        [e.ModelOverridden(agent="coder", **FULL)]
    )


def test_the_model_that_an_agent_has_already_is_not_recorded_again():
    past = [created(), e.ModelOverridden(agent="coder", **FULL)]

    given(past).when(OverrideModel(agent="coder", **FULL)).then_nothing()
    given(past).when(OverrideModel(agent="coder", model="m-2")).then(
        [e.ModelOverridden(agent="coder", model="m-2")]
    )
    given(past).when(OverrideModel(agent="tester", **FULL)).then(
        [e.ModelOverridden(agent="tester", **FULL)]
    )


def test_an_agent_gets_its_own_model_back():
    past = [created(), e.ModelOverridden(agent="coder", **FULL)]
    restore = OverrideModel(agent="coder", model=None)

    given(past).when(restore).then([e.ModelRestored(agent="coder")])
    given([*past, e.ModelRestored(agent="coder")]).when(restore).then_nothing()
    given([created()]).when(restore).then_nothing()


@pytest.mark.parametrize("effort", REASONING_EFFORTS)
def test_l22_every_effort_there_is_can_be_set(effort):
    override = OverrideModel(agent="a", model="m", reasoning_effort=effort)

    given([created()]).when(override).then(
        [e.ModelOverridden(agent="a", model="m", reasoning_effort=effort)]
    )


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"model": None, "provider": "acme"}, "model"),
        ({"model": None, "reasoning_effort": "low"}, "model"),
        ({"model": "m", "reasoning_effort": "LOW"}, "reasoning_effort"),
        ({"model": "m", "reasoning_effort": ""}, "reasoning_effort"),
    ],
)
def test_l22_an_override_that_makes_no_sense_is_refused(wrong, field):
    given([created()]).when(OverrideModel(agent="a", **wrong)).then_refused(
        InvalidRuntimeOverride, field=field
    )


@pytest.mark.parametrize(
    "wrong",
    [
        OverrideModel(agent="", model="m"),
        OverrideModel(agent="a", model=" "),
        OverrideModel(agent="a", model="m", provider="a\nb"),
    ],
)
def test_agents_and_models_have_names(wrong):
    given([created()]).when(wrong).then_refused(Invalid)


def test_the_overrides_are_bounded():
    many = [e.ModelOverridden(agent=f"a{n}", model="m") for n in range(MAX_OVERRIDES)]
    full = given([created(), *many])

    full.when(OverrideModel(agent="more", model="m")).then_refused(LimitReached)
    full.when(OverrideModel(agent="a1", model="other")).then(
        [e.ModelOverridden(agent="a1", model="other")]
    )


def test_the_state_knows_which_model_each_agent_has():
    past = [
        created(),
        e.ModelOverridden(agent="a", **FULL),
        e.ModelOverridden(agent="b", model="m"),
    ]

    assert dict(state_after(past).description.models) == {
        "a": ModelChoice(**FULL),
        "b": ModelChoice(model="m"),
    }
    restored = state_after([*past, e.ModelRestored(agent="a")])
    assert list(restored.description.models) == ["b"]


# ── summaries ────────────────────────────────────────────────────────────────────────────────


def summary(summary_id: str = "s1", **fields) -> AddSummary:
    return AddSummary(**{"summary_id": summary_id, "text": "in short"} | fields)


@pytest.mark.parametrize("past", WHENEVER, ids=str)
def test_a_summary_can_be_added_whatever_the_session_does(past):
    given([*past, added("m1")]).when(summary(first_kept="m1", tokens=41)).then(
        [e.SummaryAdded(summary_id="s1", text="in short", first_kept="m1", tokens=41)]
    )


def test_the_first_message_that_is_kept_is_one_of_this_session():
    given([created()]).when(summary(first_kept="m1")).then_refused(MessageNotFound, message_id="m1")
    begun = [created(), started("t1", "m1")]
    assert given(begun).when(summary(first_kept="m1")).events


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (summary(""), "summary_id"),
        (summary(text=" "), "text"),
        (summary(text="x" * (MAX_SUMMARY_CHARACTERS + 1)), "text"),
        (summary(tokens=-1), "tokens"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_summary_that_makes_no_sense_is_refused(wrong, field):
    given([created()]).when(wrong).then_refused(Invalid, field=field)


def test_a_summary_id_that_is_taken_is_a_conflict_as_other_ids_are():
    past = [created(), e.SummaryAdded(summary_id="taken", text="x")]

    given(past).when(summary("taken")).then_refused(SummaryExists, summary_id="taken")


def test_the_state_knows_the_newest_summary_and_where_each_was_added():
    first, second = (e.SummaryAdded(summary_id=one, text=one) for one in ("s1", "s2"))
    described = state_after([created(), first, second]).description

    assert described.summary == second
    assert dict(described.summaries) == {"s1": 2, "s2": 3}
