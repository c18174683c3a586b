"""What an agent does in its turn."""

import pytest

from application.projections.session_document import activity_of
from domain import persistent_map
from domain.errors import (
    Invalid,
    MessageExists,
    ToolCallExists,
    ToolCallNotOpen,
    TurnEnded,
    TurnNotFound,
)
from domain.replacing import replace
from domain.session import events as e
from domain.session.commands import RecordActivity
from domain.session.turn.activity import MAX_BATCH, MAX_UNANSWERED
from domain.values import Agent, Usage
from tests.support.builders import (
    SAMPLES,
    added,
    called,
    completed,
    created,
    obey,
    queued,
    returned,
    started,
    state_after,
    text,
)
from tests.support.given import given

RUNNING = [created(), started()]
NOTICE = e.RuntimeNotice(level="info", text="hm")


def record(*events: e.ActivityEvent, turn_id: str = "t1") -> RecordActivity:
    return RecordActivity(turn_id=turn_id, events=events)


def news(call: str = "c1") -> e.ToolProgressed:
    return e.ToolProgressed(tool_call_id=call)


@pytest.mark.parametrize(
    "event",
    [
        event
        for event in SAMPLES
        if isinstance(event, e.ActivityEvent)
        and not isinstance(event, e.ToolProgressed | e.ToolReturned)
    ],
    ids=lambda event: type(event).__name__,
)
def test_whatever_an_agent_does_is_recorded_as_it_was_told(event):
    given(RUNNING).when(record(event)).then([event])


def test_many_events_are_recorded_in_their_order():
    events = [called("c1"), news("c1"), returned("c1"), e.AgentMessage(parts=text()), NOTICE]

    given(RUNNING).when(record(*events)).then(events)


def test_a_batch_is_recorded_whole_or_not_at_all():
    given(RUNNING).when(record(NOTICE, returned("nowhere"))).then_refused(
        ToolCallNotOpen, tool_call_id="nowhere"
    )


def test_what_is_refused_is_kept_in_its_place_where_there_is_something_instead():
    events = (NOTICE, returned("nowhere"), returned("c1"))
    instead = tuple(e.RuntimeEvent(kind=f"kept.{n}", data=n) for n in range(3))
    problem = {"code": "tool_call_not_open", "detail": str(ToolCallNotOpen())}
    kept = e.RuntimeEvent(kind="kept.1", data=1, problem=problem)

    given([*RUNNING, called("c1")]).when(
        RecordActivity(turn_id="t1", events=events, instead=instead)
    ).then([NOTICE, kept, returned("c1")])


@pytest.mark.parametrize("past", [[called()], [called(), returned(), called()]])
def test_one_tool_call_of_an_id_is_open_at_once(past):
    given([*RUNNING, *past]).when(record(called())).then_refused(ToolCallExists, tool_call_id="c1")
    given(RUNNING).when(record(*past, called())).then_refused(ToolCallExists, tool_call_id="c1")


def test_the_id_of_a_tool_call_that_has_returned_may_be_used_again():
    again = [called(), returned()]

    given([*RUNNING, called(), returned()]).when(record(*again)).then(again)
    given(RUNNING).when(record(*again, *again)).then([*again, *again])


def test_the_next_turn_may_use_the_id_of_a_tool_call_again():
    past = [*RUNNING, called(), completed(), started("t2")]

    given(past).when(record(called(), turn_id="t2")).then([called()])


def test_a_tool_call_returns_once():
    given([*RUNNING, called()]).when(record(returned())).then([returned()])
    given([*RUNNING, called(), returned()]).when(record(returned())).then_refused(ToolCallNotOpen)
    given([*RUNNING, called()]).when(record(returned(), returned())).then_refused(ToolCallNotOpen)


CLOSED = [*RUNNING, called(), returned(status="abandoned"), completed(), started("t2")]


@pytest.mark.parametrize("status", ["abandoned", "failed", "cancelled"])
def test_a_call_that_was_closed_without_a_result_may_return_in_a_later_turn(status):
    late = returned(output="at last")
    known = replace(late, called_in_turn="t1")
    past = [*RUNNING, called(), returned(status=status), completed(), started("t2")]

    for begun in (past, [*past, completed("t2"), started("t3")]):
        turn_id = begun[-1].turn_id
        given(begun).when(record(late, turn_id=turn_id)).then([known])
        given([*begun, known]).when(record(late, turn_id=turn_id)).then_refused(ToolCallNotOpen)
        given(begun).when(record(late, late, turn_id=turn_id)).then_refused(ToolCallNotOpen)


@pytest.mark.parametrize("ended", [returned(), returned(status="failed", output="boom")])
def test_a_call_with_a_result_does_not_return_in_a_later_turn(ended):
    past = [*RUNNING, called(), ended, completed(), started("t2")]

    given(past).when(record(returned(), turn_id="t2")).then_refused(
        ToolCallNotOpen, tool_call_id="c1"
    )


def test_a_result_is_that_of_the_newest_call_with_its_id():
    both = [called(), returned()]

    given(CLOSED).when(record(*both, turn_id="t2")).then(both)
    given(CLOSED).when(record(*both, returned(), turn_id="t2")).then_refused(ToolCallNotOpen)
    given([*CLOSED, *both]).when(record(returned(), turn_id="t2")).then_refused(ToolCallNotOpen)
    anew = [called(), returned(status="cancelled"), completed("t2"), started("t3")]
    given([*CLOSED, *anew]).when(record(returned(), turn_id="t3")).then(
        [returned(called_in_turn="t2")]
    )


def test_a_late_result_is_a_sign_of_life_and_leaves_the_open_calls_open():
    past = [*CLOSED, called("c2"), returned(called_in_turn="t1", output=1)]
    turns = state_after(past).turns

    assert turns.running is not None
    assert (list(turns.running.open_calls), len(turns.unanswered)) == (["c2"], 0)
    assert turns.running.active_at > turns.running.started_at


def test_of_the_calls_without_a_result_the_newest_are_remembered():
    calls = [f"c{n}" for n in range(2 * MAX_UNANSWERED + 1)]
    closed = [event for call in calls for event in (called(call), returned(call, status="failed"))]
    past = [*RUNNING, *closed, completed(), started("t2")]

    forgotten, remembered = calls[-MAX_UNANSWERED - 1], calls[-MAX_UNANSWERED]
    assert set(state_after(past).turns.unanswered) == {*calls[-MAX_UNANSWERED:]}
    given(past).when(record(returned(forgotten), turn_id="t2")).then_refused(ToolCallNotOpen)
    given(past).when(record(returned(remembered), turn_id="t2")).then(
        [returned(remembered, called_in_turn="t1")]
    )


def test_a_tool_call_cannot_return_before_it_was_made():
    given(RUNNING).when(record(returned(), called())).then_refused(
        ToolCallNotOpen, tool_call_id="c1"
    )


@pytest.mark.parametrize("past", [[called()], [called(), returned()]])
def test_news_of_a_tool_call_may_come_late(past):
    given([*RUNNING, *past]).when(record(news())).then([news()])


def test_news_needs_a_tool_call_of_this_turn():
    given([*RUNNING, called(), completed(), started("t2")]).when(
        record(news(), turn_id="t2")
    ).then_refused(ToolCallNotOpen, tool_call_id="c1")


@pytest.mark.parametrize("kind", [e.AgentMessage, e.AgentThought])
@pytest.mark.parametrize("other", ["m1", "input-t1", "waits"])
def test_an_agent_does_not_speak_with_the_id_of_what_another_said(kind, other):
    event = kind(parts=text(), message_id=other)
    past = [created(), added("m1"), started(), queued("i1", message_id="waits")]

    given(past).when(record(event)).then_refused(MessageExists, message_id=other)


def test_pieces_of_a_message_and_its_thought_have_one_id():
    pieces = [
        e.AgentThought(parts=text("hm"), message_id="a1"),
        e.AgentMessage(parts=text("It"), message_id="a1"),
    ]
    again = e.AgentMessage(parts=text(" is."), message_id="a1")

    given(RUNNING).when(record(*pieces)).then(pieces)
    given([*RUNNING, *pieces]).when(record(again)).then([again])
    given([*RUNNING, *pieces, completed(), started("t2")]).when(record(again, turn_id="t2")).then(
        [again]
    )
    assert dict(state_after([*RUNNING, *pieces, again]).said) == {"a1": 3}


def test_nothing_is_recorded_in_a_turn_that_has_ended_or_never_was():
    given([*RUNNING, completed()]).when(record(NOTICE)).then_refused(
        TurnEnded, turn_id="t1", outcome="completed"
    )
    given(RUNNING).when(record(NOTICE, turn_id="t2")).then_refused(TurnNotFound, turn_id="t2")


def test_a_batch_is_neither_empty_nor_boundless():
    given(RUNNING).when(record()).then_refused(Invalid, field="events")
    given(RUNNING).when(record(*[NOTICE] * (MAX_BATCH + 1))).then_refused(Invalid, field="events")


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (e.AgentMessage(parts=()), "events[0].data.parts"),
        (e.AgentThought(parts=({"type": "text"},)), "events[0].data.parts[0].text"),
        (e.AgentMessage(parts=text(), message_id=""), "events[0].data.message_id"),
        (called(""), "events[0].data.tool_call_id"),
        (called(name=" "), "events[0].data.name"),
        (e.AgentSwitched(agent=Agent(name="a\x00b")), "events[0].data.agent.name"),
        (e.AgentSwitched(agent=Agent(name="a", model="")), "events[0].data.agent.model"),
    ],
)
def test_the_refusal_names_the_event_and_the_field(wrong, field):
    given(RUNNING).when(record(wrong)).then_refused(Invalid, field=field)


def test_the_running_turn_knows_its_calls_its_plan_and_its_usage():
    plan = e.PlanUpdated(entries=({"step": 1},))
    usage = e.UsageReported(input_tokens=1, meta={"k": 1})
    past = [*RUNNING, called("c1"), called("c2", title="T", input=[1]), returned("c1"), plan, usage]
    turn = state_after(past).turns.running

    assert turn is not None
    assert list(turn.open_calls) == ["c2"]
    assert (turn.open_calls["c2"].title, turn.open_calls["c2"].input) == ("T", [1])
    assert dict(turn.closed_calls) == {"c1": "shell"}
    assert turn.plan == ({"step": 1},)
    assert turn.usage == Usage(input_tokens=1)


def test_however_many_calls_a_turn_has_none_but_those_named_are_looked_at(monkeypatch):
    calling = state_after([*RUNNING, *(called(f"c{n}") for n in range(300)), returned("c0")])

    def look_at_all(*_: object) -> None:
        pytest.fail("all calls of the turn are looked at")

    monkeypatch.setattr(persistent_map, "_gather", look_at_all)
    monkeypatch.setattr(persistent_map, "_keys", look_at_all)
    events = [NOTICE, news("c0"), news("c7"), called("c0"), called("new"), returned("c8")]
    after, recorded = obey(calling, record(*events))

    assert [one.event for one in recorded] == events
    assert activity_of(after).current_tool == "shell"


def test_the_newest_call_that_is_open_is_known_whatever_returns():
    calls = [called("a", name="x"), called("b", name="y"), called("c", name="z")]
    session = state_after([*RUNNING, *calls, returned("b")])
    assert activity_of(session).current_tool == "z"
    assert activity_of(state_after([returned("c")], session)).current_tool == "x"
    assert activity_of(state_after([returned("c"), returned("a")], session)).current_tool is None


def test_the_reports_of_a_turn_add_up_field_by_field():
    past = [
        *RUNNING,
        e.UsageReported(input_tokens=100, cost=0.5, currency="EUR"),
        e.UsageReported(input_tokens=120, cached_tokens=0),
    ]
    turn = state_after(past).turns.running

    assert turn is not None
    assert turn.usage == Usage(input_tokens=220, cached_tokens=0, cost=0.5, currency="EUR")


@pytest.mark.parametrize(
    "event", [event for event in SAMPLES if isinstance(event, e.ActivityEvent)], ids=str
)
def test_activity_outside_a_turn_moves_the_sequence_and_raises_nothing(event):
    assert state_after([created(), event]).sequence == 2
