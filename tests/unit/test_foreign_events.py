"""What another framework has done: kept verbatim, and said in the words of here if it can be."""

from domain.errors import Invalid, MessageExists, TurnExists, TurnInProgress
from domain.session import events as e
from domain.session.commands import BeginForeignTurn, CreateSession, RecordForeignEvents
from domain.session.content.conversation import Past
from domain.values import Failure
from tests.support.builders import OWNER, added, called, created, foreign, started, text
from tests.support.given import given

KIND = "adk.event"


def header(covers: int, record: object = None) -> e.RuntimeEvent:
    data: dict[str, object] = {"covers": covers}
    return e.RuntimeEvent(kind=KIND, data=data if record is None else {**data, "event": record})


def test_outside_of_its_turn_all_that_an_event_says_is_one_message():
    means = (
        e.AgentThought(parts=({"type": "reasoning", "text": "hm"},)),
        called("c1", input={"a": 1}),
        e.ToolReturned(tool_call_id="c1", output="x"),
    )
    event = foreign(means=means, author="helper", set={"a": 1, "temp:b": 2})
    parts = (
        {"type": "reasoning", "text": "hm"},
        {"type": "tool_call", "tool_call_id": "c1", "name": "shell", "input": {"a": 1}},
        {"type": "tool_result", "tool_call_id": "c1", "output": "x"},
    )
    given([created()]).when(RecordForeignEvents(events=(event,))).then(
        [
            header(2, {"id": "e1"}),
            e.MessageAdded(message_id="e1", role="agent", parts=parts, author="helper"),
            e.StatePatched(set={"a": 1}),
        ]
    )


def test_in_its_turn_an_event_is_what_the_agent_did_and_what_breaks_a_rule_is_kept_alone():
    unknown = e.ToolReturned(tool_call_id="nobody-called", output=1)
    event = foreign(turn_id="t1", means=(called(), unknown))
    given([created(), started()]).when(RecordForeignEvents(events=(event,))).then(
        [header(1, {"id": "e1"}), called()]
    )


def test_an_event_that_says_nothing_is_kept():
    given([created()]).when(RecordForeignEvents(events=(foreign(means=()),))).then(
        [header(0, {"id": "e1"})]
    )


def test_two_events_have_two_ids_and_none_that_of_a_message():
    twice = RecordForeignEvents(events=(foreign(), foreign()))
    given([created()]).when(twice).then_refused(Invalid, field="events")
    there = [created(), e.MessageAdded(message_id="e1", role="user", parts=text())]
    given(there).when(RecordForeignEvents(events=(foreign(),))).then_refused(MessageExists)


def test_a_turn_begins_with_the_event_and_its_keys():
    event = foreign(role="user", set={"a": 1})
    begin = BeginForeignTurn(turn_id="t1", event=event, meta={"adk.run": {}})
    begun = e.TurnStarted(
        turn_id="t1",
        source="user",
        message_id="e1",
        parts=text("e1"),
        meta={"adk.run": {}, KIND: {"id": "e1"}},
    )
    given([created()]).when(begin).then([header(1), e.StatePatched(set={"a": 1}), begun])


def test_while_another_turn_runs_it_waits():
    begin = BeginForeignTurn(turn_id="t2", event=foreign(role="user"))
    result = given([created(), started()]).when(begin)
    (queued,) = result.events or ()
    assert isinstance(queued, e.InputQueued)
    assert (queued.input_id, queued.meta) == ("t2", {KIND: {"id": "e1"}})
    failed = e.TurnFailed(turn_id="t1", failure=Failure(kind="x"))
    ended = [created(), started(), failed]
    again = BeginForeignTurn(turn_id="t1", event=foreign())
    given(ended).when(again).then_refused(TurnExists)


def test_an_event_that_goes_back_takes_the_conversation_with_it_and_the_keys_as_it_says():
    back = foreign("e2", back_before="i1", past=Past(2, 1), set={"a": None}, means=())
    given([created(), added("m1"), added("m2")]).when(RecordForeignEvents(events=(back,))).then(
        [
            header(2, {"id": "e2"}),
            e.StatePatched(set={"a": None}),
            e.ConversationRewound(to=2, epoch=1, messages=1),
        ]
    )


def test_what_goes_back_to_nothing_that_is_known_is_kept_alone():
    back = foreign("e1", turn_id="i1", back_before="i1", means=())
    given([created()]).when(RecordForeignEvents(events=(back,))).then([header(0, {"id": "e1"})])


def test_a_session_begins_with_events_that_go_back_to_before_others_of_them():
    one, two, three = (foreign(f"e{n}", turn_id=f"i{n}") for n in (1, 2, 3))
    back = foreign("back", back_before="i2", means=())
    again = foreign("again", back_before="i1")
    create = CreateSession(owner=OWNER, foreign=(one, two, back, three, again))
    events = given().when(create).events or []
    turns = [one for one in events if isinstance(one, e.ConversationRewound)]
    # The first is the creation; each event is a record and a message.
    assert turns == [
        e.ConversationRewound(to=3, epoch=1, messages=1),
        e.ConversationRewound(to=1, epoch=2, messages=0),
    ]


def test_nothing_is_taken_back_under_a_running_turn():
    back = foreign("e2", turn_id="t1", back_before="t1", past=Past(1), means=())
    refused = given([created(), started()]).when(RecordForeignEvents(events=(back,)))
    refused.then_refused(TurnInProgress, turn_id="t1")
