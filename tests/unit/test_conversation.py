"""The conversation as a whole: cleared or rewound, while the log goes on."""

from dataclasses import replace
from typing import Any

import pytest

from domain.errors import Invalid, SessionIsStopping, TurnInProgress
from domain.session import events as e
from domain.session.commands import ClearConversation, RewindConversation
from domain.session.content.conversation import rewind_to
from domain.session.content.transcript import Transcript
from domain.session.evolve import fold
from domain.session.family.forks import inherited
from tests.support.builders import (
    added,
    at,
    called,
    completed,
    created,
    elicited,
    history,
    queued,
    returned,
    started,
    state_after,
    steered,
    stopped,
)
from tests.support.given import given

CLEARED = e.ConversationCleared(epoch=1)
SUMMARY = e.SummaryAdded(summary_id="s1", text="in short")


def said(message_id: str | None) -> e.AgentMessage:
    return e.AgentMessage(message_id=message_id, parts=({"type": "text", "text": "x"},))


def rewind(to: int, past: list[Any]) -> RewindConversation:
    return rewind_to(to, state_after(past[:to]))


# ── clear ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "past",
    [
        [created()],
        [created(), started(), completed()],
        [created(), stopped()],
        [created(starting=True)],
    ],
)
def test_c1_clearing_raises_the_epoch_and_cuts_nothing(past):
    given(past).when(ClearConversation()).then([CLEARED])

    assert state_after([*past, CLEARED]).sequence == len(past) + 1


def test_each_clearing_has_an_epoch_of_its_own():
    past = [created(), CLEARED, added()]

    given(past).when(ClearConversation()).then([e.ConversationCleared(epoch=2)])


def test_clearing_what_was_just_cleared_is_already_so():
    given([created(), added(), CLEARED]).when(ClearConversation()).then_nothing()


def test_clearing_what_was_just_rewound_is_another_thing():
    past = [created(), added(), added("m2"), e.ConversationRewound(to=2, epoch=1)]

    given(past).when(ClearConversation()).then([e.ConversationCleared(epoch=2)])


def test_c3_a_conversation_is_not_cleared_while_a_turn_runs():
    given([created(), started()]).when(ClearConversation()).then_refused(
        TurnInProgress, turn_id="t1"
    )


def test_what_waits_and_what_is_known_stays_when_the_conversation_is_cleared():
    past = [created(title="T", state={"a": 1}), added("m1"), queued(), elicited(), CLEARED]
    now = state_after(past)

    assert (now.lifecycle.epoch, now.description.title, dict(now.state)) == (1, "T", {"a": 1})
    assert (list(now.inputs.waiting), list(now.interactions.pending)) == (["i1"], ["r1"])
    assert list(now.messages) == ["m1"]


def test_a_summary_of_what_was_cleared_is_no_summary_any_more():
    now = state_after([created(), SUMMARY, CLEARED]).description

    assert now.summary is None
    assert list(now.summaries) == ["s1"]


@pytest.mark.parametrize(
    ("more", "many"),
    [
        ([said("a1"), said("a1")], 1),
        ([said("a1"), said("a2")], 2),
        ([said(None), said(None)], 2),
        # Whatever comes between them parts them, as in the transcript.
        ([said("a1"), called(), said("a1")], 2),
        ([said("a1"), e.AgentThought(parts=(), message_id="a1"), said("a1")], 2),
        ([said("a1"), returned(), added("m1"), said("a1")], 3),
        ([e.AgentThought(parts=()), called(), e.MessageRevised(message_id="q1", parts=())], 0),
        ([steered("i1")], 1),
    ],
    ids=str,
)
def test_messages_are_counted_as_the_transcript_parts_them(more: list[Any], many: int):
    log = history([created(), started(), *more])
    transcript = Transcript()
    for recorded in log:
        transcript.apply(recorded)
    now = fold(log).spoken

    assert now.messages == 1 + many
    assert now.messages == sum(entry["kind"] == "message" for entry in transcript.entries)


def test_what_is_cleared_is_not_counted_and_when_it_was_said_stays():
    now = state_after([created(), added("m1"), added("m2"), CLEARED])
    assert (now.spoken.messages, now.last_activity_at) == (0, at(3))
    assert state_after([added("m3")], now).spoken.messages == 1


def test_a_fork_has_the_messages_of_its_origin_and_begins_when_it_begins():
    origin = state_after([created(), added("m1"), added("m2")])
    begun = inherited(origin)
    assert (begun.spoken.messages, begun.last_activity_at) == (2, None)


# ── rewind ───────────────────────────────────────────────────────────────────────────────────

CHANGED = [
    created(state={"kept": 1, "changed": 1, "deleted": 1, "app:x": 1}),
    added("m1"),
    e.StatePatched(set={"changed": 2, "new": True, "app:x": 2}, delete=("deleted",)),
    added("m2"),
]


def test_rewinding_says_what_it_changes_in_the_state():
    given(CHANGED).when(rewind(2, CHANGED)).then(
        [
            e.ConversationRewound(
                to=2, epoch=1, messages=1, set={"changed": 1, "deleted": 1}, delete=("new",)
            )
        ]
    )


def test_what_one_event_cannot_hold_is_brought_back_by_patches_before_the_rewind():
    large = {f"k{number}": "x" * 300_000 for number in range(3)}
    small = {f"s{number}": "x" * 100_000 for number in range(4)}
    names = {f"gone {number} " + "n" * 150: 1 for number in range(4000)}
    past = [
        created(state={**large, **small}),
        e.StatePatched(set=dict.fromkeys((*large, *small), 0) | names),
    ]

    *patches, rewound = given(past).when(rewind(1, past)).events or []

    assert all(isinstance(one, e.StatePatched) for one in patches)
    assert isinstance(rewound, e.ConversationRewound)
    for event in (*patches, rewound):
        size = sum(len(key) + len(value) for key, value in event.set.items())
        assert size + sum(map(len, event.delete)) <= 256 * 1024 or len(event.set) == 1
    back = state_after([*past, *patches, rewound])
    assert back.state == state_after(past[:1]).state
    given([*past, *patches, rewound]).when(rewind(1, past)).then_nothing()


def test_the_state_is_as_it_was_then_and_a_new_version_of_it():
    (rewound,) = given(CHANGED).when(rewind(2, CHANGED)).events or []
    now = state_after([*CHANGED, rewound])

    assert now.state == state_after(CHANGED[:2]).state
    assert (now.sequence, now.state_version, now.lifecycle.epoch) == (5, 5, 1)


def test_rewinding_past_words_only_leaves_the_version_of_the_state():
    past = [created(state={"a": 1}), added("m1"), added("m2")]

    given(past).when(rewind(2, past)).then([e.ConversationRewound(to=2, epoch=1, messages=1)])
    assert state_after([*past, e.ConversationRewound(to=2, epoch=1)]).state_version == 1


def test_rewinding_to_the_newest_event_is_already_so():
    given(CHANGED).when(rewind(4, CHANGED)).then_nothing()


def test_rewinding_again_to_the_same_event_is_already_so():
    back = {"changed": 1, "deleted": 1}
    past = [*CHANGED, e.ConversationRewound(to=2, epoch=1, set=back, delete=("new",))]

    given(past).when(rewind(2, past)).then_nothing()
    given(past).when(rewind(1, past)).then([e.ConversationRewound(to=1, epoch=2)])
    given([*past, added("m3")]).when(rewind(2, past)).then(
        [e.ConversationRewound(to=2, epoch=2, messages=1)]
    )


@pytest.mark.parametrize("to", [-1, 0, 5])
def test_one_can_only_go_back_to_an_event_that_there_is(to):
    given(CHANGED).when(RewindConversation(to=to)).then_refused(Invalid, field="to")


def test_a_conversation_is_not_rewound_while_a_turn_runs():
    past = [created(), added(), started()]

    given(past).when(rewind(1, past)).then_refused(TurnInProgress, turn_id="t1")


def test_a_conversation_is_neither_cleared_nor_rewound_while_its_session_stops():
    past = [created(), started(), e.SessionStopping(cause="shutdown", reason="shutdown")]

    for command in (ClearConversation(), rewind(1, past)):
        given(past).when(command).then_refused(SessionIsStopping, cause="shutdown")


def test_a_stopped_conversation_can_be_rewound():
    past = [created(), added(), stopped()]

    given(past).when(rewind(1, past)).then([e.ConversationRewound(to=1, epoch=1)])


def test_values_that_python_takes_for_equal_are_set_back_too():
    past = [created(state={"a": 1}), e.StatePatched(set={"a": True})]

    given(past).when(rewind(1, past)).then([e.ConversationRewound(to=1, epoch=1, set={"a": 1})])


def test_a_summary_of_what_was_rewound_is_no_summary_any_more():
    past = [created(), added("m1"), SUMMARY, added("m2")]
    kept, lost = (e.ConversationRewound(to=to, epoch=1) for to in (3, 2))

    assert state_after([*past, kept]).description.summary == SUMMARY
    assert state_after([*past, lost]).description.summary is None


def test_a_summary_that_a_fork_began_with_outlasts_its_rewinds():
    origin = state_after([created(), added("m1"), SUMMARY])
    past = [created(), added("m2"), added("m3"), e.ConversationRewound(to=1, epoch=1)]
    fork = state_after(past, inherited(origin))

    assert fork.description.summary == SUMMARY
    own = replace(SUMMARY, summary_id="s2")
    later = state_after([created(), own, *past[1:]], inherited(origin)).description
    assert later.summary is None
    assert sorted(later.summaries, key=later.summaries.__getitem__) == ["s1", "s2"]


def test_the_summary_that_counted_then_counts_again():
    newer = replace(SUMMARY, summary_id="s2")
    again = e.SummaryAdded(summary_id="s1", text="in short")
    # Summarised, summarised anew, cleared: back before each of these, one after the other.
    log: list[Any] = [created(), SUMMARY, added("m1"), newer, CLEARED]
    for epoch, (to, event, counts) in enumerate(
        [
            (4, {"summary": replace(again, summary_id="s2")}, newer),
            (3, {"summary": again}, SUMMARY),
            (5, {}, None),
            (7, {"summary": again}, SUMMARY),
            (2, {"summary": again}, SUMMARY),
            (1, {}, None),
        ],
        start=2,
    ):
        messages = state_after(log[:to]).spoken.messages
        rewound = e.ConversationRewound(to=to, epoch=epoch, messages=messages, **event)
        given(log).when(rewind(to, log)).then([rewound])
        log.append(rewound)
        assert state_after(log).description.summary == counts
        assert counts == state_after(log[:to]).description.summary


def test_what_was_rewound_can_be_rewound_to():
    rewound = e.ConversationRewound(to=1, epoch=1, set={"a": 1}, delete=())
    past = [created(state={"a": 1}), e.StatePatched(set={"a": 2}), rewound]

    given(past).when(rewind(2, past)).then([e.ConversationRewound(to=2, epoch=2, set={"a": 2})])
