"""What was said and done, as a reader sees it."""

from collections.abc import Iterable

from domain.replacing import replace
from domain.session import events as e
from domain.session.content.transcript import Transcript
from domain.session.content.transcript_entries import Entry
from domain.values import Agent, Failure
from tests.support.builders import (
    SAMPLES,
    added,
    called,
    completed,
    created,
    dispatched,
    history,
    queued,
    returned,
    staged,
    started,
    steered,
    text,
)


def read(events: Iterable[e.SessionEvent]) -> list[Entry]:
    transcript = Transcript()
    for recorded in history([created(), *events]):
        transcript.apply(recorded)
    return list(transcript.entries)


def said(content: str, message_id: str | None = None) -> e.AgentMessage:
    return e.AgentMessage(parts=text(content), message_id=message_id)


def thought(content: str, message_id: str | None = None) -> e.AgentThought:
    return e.AgentThought(parts=text(content), message_id=message_id)


def texts(entries: Iterable[Entry]) -> list[str]:
    return ["".join(part["text"] for part in entry["parts"]) for entry in entries]


def test_messages_inputs_and_answers_stand_in_the_order_they_came():
    entries = read([added("m1", "hi"), started("t1", "m2"), said("hello"), completed()])

    assert [entry["role"] for entry in entries] == ["user", "user", "agent"]
    assert [entry["id"] for entry in entries] == ["m1", "m2", "event-4"]
    assert [entry["sequence"] for entry in entries] == [2, 3, 4]
    assert [entry.get("turn_id") for entry in entries] == [None, "t1", "t1"]
    assert texts(entries) == ["hi", "go", "hello"]


def test_author_and_implicit_are_told_when_they_are_known():
    plain, full = read([added("m1"), added("m2", author="ada", implicit=True)])

    assert "author" not in plain
    assert "implicit" not in plain
    assert (full["author"], full["implicit"]) == ("ada", True)


def test_pieces_of_one_message_are_one_entry():
    entries = read([started(), said("Hel", "a1"), said("lo", "a1"), said("Bye", "a2")])[1:]

    assert texts(entries) == ["Hello", "Bye"]
    assert entries[0]["sequence"] == 3


def test_pieces_without_an_id_are_entries_of_their_own():
    assert texts(read([started(), said("a"), said("b")])[1:]) == ["a", "b"]


def test_a_thought_and_a_message_are_never_one_entry():
    entries = read([started(), thought("hm", "a1"), said("so", "a1")])[1:]

    assert [entry["kind"] for entry in entries] == ["thought", "message"]


def test_pieces_of_different_turns_are_never_one_entry():
    past = [started("t1"), said("a", "x"), completed("t1"), started("t2"), said("b", "x")]

    assert texts(read(past)) == ["go", "a", "go", "b"]


def test_a_tool_call_is_open_until_it_returns_and_stays_where_it_was_made():
    call = called("c1", title="List", input={"a": 1})
    _, entry, after = read([started(), call, said("meanwhile")])
    assert (entry["kind"], entry["name"], entry["status"]) == ("tool_call", "shell", "open")
    assert (entry["title"], entry["input"]) == ("List", {"a": 1})

    progressed = e.ToolProgressed(tool_call_id="c1", title="Listing", content="50 %")
    done = returned("c1", status="failed", output=[1])
    _, entry, after = read([started(), call, said("meanwhile"), progressed, done])
    assert (entry["title"], entry["content"]) == ("Listing", "50 %")
    assert (entry["status"], entry["output"]) == ("failed", [1])
    assert texts([after]) == ["meanwhile"]


def test_a_tool_call_belongs_to_its_turn():
    past = [started("t1"), called("c1"), returned("c1", status="abandoned"), completed("t1")]
    entries = read([*past, started("t2"), called("c1")])

    assert [x["status"] for x in entries if x["kind"] == "tool_call"] == ["abandoned", "open"]


def test_a_result_that_comes_in_a_later_turn_is_that_of_its_call_and_marked_late():
    past = [started("t1"), called("c1"), returned("c1", status="abandoned"), completed("t1")]
    late = returned("c1", output="at last", called_in_turn="t1", meta={"ms": 9})
    _, call, _, after = read([*past, started("t2"), late, said("so")])

    assert (call["id"], call["turn_id"], call["status"]) == ("c1", "t1", "completed")
    assert (call["output"], call["result_meta"]) == ("at last", {"ms": 9})
    assert (call["late"], call["returned_in_turn"], call["returned_at_sequence"]) == (True, "t2", 7)
    assert texts([after]) == ["so"]


def test_a_result_that_is_said_outside_of_turns_is_that_of_its_newest_call():
    past = [started("t1"), called("c1"), returned("c1", output=1), called("c1")]
    past += [returned("c1", status="abandoned", output=None), completed("t1")]
    parts = tuple(
        {"type": "tool_result", "tool_call_id": call, "output": "at last", "is_error": True}
        for call in ("c1", "c9")
    )
    _, first, call, said = read([*past, added("m1", role="tool", parts=parts)])

    assert (first["output"], "late" in first) == (1, False)
    assert (call["status"], call["output"], call["late"]) == ("failed", "at last", True)
    assert (call["returned_in_message"], call["returned_at_sequence"]) == ("m1", said["sequence"])
    assert (said["role"], said["parts"]) == ("tool", list(parts))


def result_part(call="c1", **fields):
    return {"type": "tool_result", "tool_call_id": call, "output": 7, **fields}


def test_a_result_in_a_message_of_a_later_turn_is_that_of_its_call_and_late():
    past = [started("t1"), called("c1"), returned("c1", status="abandoned"), completed("t1")]
    given = e.TurnStarted(
        turn_id="t2", source="user", message_id="m2", parts=(result_part(is_error=True),)
    )
    _, call, said_then = read([*past, given])

    assert (call["status"], call["output"], call["late"]) == ("failed", 7, True)
    assert (call["returned_in_turn"], call["returned_in_message"]) == ("t2", "m2")
    assert call["returned_at_sequence"] == said_then["sequence"]


def test_a_result_in_a_message_counts_when_its_call_is_closed_without_one():
    past = [started("t1"), called("c1")]
    past.append(e.AgentMessage(parts=(result_part(meta={"k": 1}),), message_id="m1"))
    _, call, _ = read(past)
    assert (call["status"], "output" in call) == ("open", False)

    _, call, _ = read([*past, returned("c1", status="abandoned")])
    assert (call["status"], call["output"], call["result_meta"]) == ("completed", 7, {"k": 1})
    assert (call["returned_in_message"], "late" in call) == ("m1", False)
    _, call, _ = read([*past, returned("c1", status="failed")])
    assert (call["status"], call["output"]) == ("failed", 7)


def test_the_result_that_a_call_returns_stands_above_one_in_a_message():
    past = [started("t1"), called("c1")]
    past.append(e.AgentMessage(parts=(result_part(), result_part(output=8)), message_id="m1"))
    closed = [*past, returned("c1", status="abandoned"), completed("t1"), started("t2")]
    late = returned("c1", output=9, called_in_turn="t1")
    for events in ([*past, returned("c1", output=9)], [*closed, late]):
        call = read(events)[1]
        assert (call["output"], "returned_in_message" in call) == (9, False)

    assert read(closed)[1]["output"] == 7, "the first that was said of it"


def test_each_entry_has_an_id_of_its_own():
    past = [started("t1"), thought("hm", "a1"), said("It is", "a1"), called("c1"), said(".", "a1")]
    past += [returned("c1"), called("c1"), added("c1x"), completed("t1"), started("t2")]
    entries = read([*past, said("again", "a1")])

    ids = [entry["id"] for entry in entries]
    assert ids[1:5] == ["a1", "a1:4", "c1", "a1:6"]
    assert ids[5:] == ["c1:8", "c1x", "input-t2", "a1:12"]
    assert [x["tool_call_id"] for x in entries if x["kind"] == "tool_call"] == ["c1", "c1"]


def test_whatever_was_said_can_be_revised():
    past = [started("t1"), thought("hm", "a1"), said("no id"), called("c1", input={"key": "k"})]
    past += [returned("c1", output="secret"), said("a", "a2"), said("b", "a2")]
    for at, entry_id in enumerate(["input-t1", "a1", "event-4", "c1", "a2"]):
        revised = e.MessageRevised(message_id=entry_id, parts=text("new"))
        entry = read([*past, revised])[at]
        held = entry["output" if entry["kind"] == "tool_call" else "parts"]
        assert (entry["id"], entry["revised_at_sequence"], held) == (entry_id, 9, [*text("new")])
    redacted = e.MessageRevised(message_id="c1", parts=text("-"), input={"key": "-"})
    assert read([*past, redacted])[3]["input"] == {"key": "-"}
    asked = e.MessageRevised(message_id="c1", input={"key": "?"})
    entry = read([*past, asked])[3]
    assert (entry["input"], entry["output"]) == ({"key": "?"}, "secret")
    assert read([*past, redacted, asked])[3]["output"] == [*text("-")]


def test_what_an_agent_says_names_the_agent():
    switched = e.AgentSwitched(agent=Agent(name="critic"))
    past = [started("t1", agent="coder"), said("a"), switched, said("b"), called("c1")]
    more = [completed("t1"), started("t2"), said("c")]

    spoke = [entry.get("agent") for entry in read([*past, *more])]
    assert spoke == [None, "coder", "critic", "critic", None, None]


def test_a_revised_message_says_the_new_thing_at_its_old_place():
    revised = e.MessageRevised(message_id="m1", parts=text("new"))
    first, second = read([added("m1", "old"), added("m2", "next"), revised])

    assert texts([first, second]) == ["new", "next"]
    assert (first["sequence"], first["revised_at_sequence"]) == (2, 4)


def test_the_input_of_a_turn_can_be_revised():
    revised = e.MessageRevised(message_id="m1", parts=text("new"))

    assert texts(read([started("t1", "m1"), revised])) == ["new"]


def test_it_tells_which_entry_is_new_or_different():
    transcript = Transcript()
    revised = e.MessageRevised(message_id="m1", parts=text("new"))
    log = history([created(), added("m1"), started(), called(), revised, returned(), completed()])

    assert [transcript.apply(one) for one in log] == [
        (), (0,), (1,), (2,), (0,), (2,), ()
    ]  # fmt: skip


def test_an_entry_that_was_handed_out_does_not_change_afterwards():
    transcript = Transcript()
    log = history([created(), started(), said("a", "x"), said("b", "x")])
    for recorded in log[:3]:
        transcript.apply(recorded)
    before = transcript.entries[1]

    transcript.apply(log[3])

    assert texts([before]) == ["a"]
    assert texts([transcript.entries[1]]) == ["ab"]


def test_events_about_what_was_never_there_change_nothing():
    transcript = Transcript()
    strays = [
        returned("c1"),
        e.ToolProgressed(tool_call_id="c1"),
        e.MessageRevised(message_id="m1", parts=text()),
        e.Unrecognised(type="future.event"),
    ]

    assert [transcript.apply(one) for one in history(strays)] == [()] * 4
    assert transcript.entries == []


def test_it_takes_in_every_event_there_is():
    transcript = Transcript()

    for recorded in history(SAMPLES):
        transcript.apply(recorded)


def test_what_waits_is_said_when_its_turn_begins_and_not_before():
    waiting = [started(), queued("i1")]

    assert texts(read(waiting)) == ["go"]
    ran = read([*waiting, completed(), *dispatched("i1", parts=text("next"))])
    assert texts(ran) == ["go", "next"]
    assert (ran[1]["id"], ran[1]["turn_id"]) == ("input-i1", "i1")


def test_what_no_person_said_is_a_message_of_the_system_also_when_it_steers():
    steering = [started(), queued("i1"), staged("i1")]

    for source, role in (("synthetic", "system"), ("network", "user"), (None, "user")):
        assert read([*steering, steered("i1", source=source)])[1]["role"] == role


def test_what_was_steered_stands_where_it_reached_the_agent():
    entries = read(
        [started(), called("c1"), queued("i1"), staged("i1"), returned("c1"),
         steered("i1", parts=text("not that")), said("all right")]
    )  # fmt: skip

    assert [entry["kind"] for entry in entries] == ["message", "tool_call", "message", "message"]
    assert (entries[2]["role"], entries[2]["id"], entries[2]["turn_id"]) == (
        "user", "input-i1", "t1"
    )  # fmt: skip
    assert texts(entries[2:]) == ["not that", "all right"]


def test_what_was_steered_can_be_revised():
    revised = e.MessageRevised(message_id="input-i1", parts=text("new"))

    assert texts(read([started(), queued("i1"), staged("i1"), steered("i1"), revised])) == [
        "go", "new"
    ]  # fmt: skip


def test_c1_after_a_clear_the_transcript_holds_nothing_old():
    past = [added("m1"), started(), called("c1"), returned("c1"), completed()]
    cleared = e.ConversationCleared(epoch=1)

    (mark,) = read([*past, cleared])
    assert (mark["kind"], mark["id"], mark["epoch"]) == ("conversation_cleared", "event-7", 1)
    late = [e.MessageRevised(message_id="m1", parts=text("x")), added("m2", "new")]
    assert texts(read([*past, cleared, *late])[1:]) == ["new"]


def test_a_turn_that_broke_and_one_that_was_cancelled_are_told():
    failure = Failure(kind="provider", summary="It is away.")
    past = [started("t1"), e.TurnFailed(turn_id="t1", failure=failure)]
    past += [started("t2", "m2"), e.TurnCancelled(turn_id="t2", reason="user_requested")]
    past += [started("t3", "m3"), completed("t3")]
    _, failed, _, cancelled, _ = read(past)

    assert (failed["kind"], failed["turn_id"], failed["role"]) == ("turn_failed", "t1", "system")
    assert failed["failure"] == {"kind": "provider", "summary": "It is away."}
    assert (cancelled["kind"], cancelled["reason"]) == ("turn_cancelled", "user_requested")


def test_a_permission_that_names_no_call_is_told_with_its_decision():
    ask = e.PermissionRequested(request_id="p1", turn_id="t1", options=(), title="May I?")
    decided = e.PermissionDecided(request_id="p1", decision="allow_once", reason="fine")
    _, asked = read([started(), ask])
    _, answered = read([started(), ask, decided])

    assert (asked["kind"], asked["title"], "decision" in asked) == ("permission", "May I?", False)
    assert answered == asked | {"decision": "allow_once", "reason": "fine"}


def test_a_permission_that_was_pending_where_a_conversation_turned_is_cancelled():
    transcript = Transcript()
    ask = e.PermissionRequested(request_id="p1", turn_id="t1", options=())
    for recorded in history([created(), started(), ask]):
        transcript.apply(recorded)

    assert transcript.settle() == [1]
    assert transcript.entries[1]["decision"] == "cancelled"


def test_every_entry_says_who_recorded_it():
    transcript = Transcript()
    for recorded in history([created(), added("m1"), started(), said("so"), called()]):
        transcript.apply(recorded._replace(actor="token:web", claimed_actor="user:ada"))

    who = {(entry["actor"], entry["claimed_actor"]) for entry in transcript.entries}
    assert who == {("token:web", "user:ada")}


def test_a_call_with_the_id_of_one_that_has_returned_stands_by_itself():
    ask = e.PermissionRequested(request_id="p1", turn_id="t1", options=(), tool_call_id="c1")
    decided = e.PermissionDecided(request_id="p1", decision="allow_once")
    _, first, second = read(
        [started(), called(), ask, decided, returned(output=1), called(), returned(output=2)]
    )

    assert (first["output"], second["output"]) == (1, 2)
    assert first["approval"]["decision"] == "allow_once"
    assert "approval" not in second


def test_a_permission_for_a_call_to_come_is_not_that_of_the_one_before_it():
    ask = e.PermissionRequested(request_id="p1", turn_id="t1", options=(), tool_call_id="c1")
    decided = e.PermissionDecided(request_id="p1", decision="reject_once")
    _, first, asked, second = read([started(), called(), returned(), ask, called(), decided])

    assert "approval" not in first
    assert (asked["kind"], asked["decision"]) == ("permission", "reject_once")
    assert second["approval"] == {"request_id": "p1", "decision": "reject_once"}


def test_what_an_agent_says_of_a_request_and_a_person_changes_in_it_is_in_its_entry():
    said = {"meta": {"k": 1}, "tool": "rm"}
    ask = e.PermissionRequested(request_id="p1", turn_id="t1", options=(), **said)
    of_call = replace(ask, request_id="p2", tool_call_id="c1")
    to_come = replace(ask, request_id="p3", tool_call_id="c2")
    edited = {"decision": "allow_once", "arguments": {"path": "/tmp"}}
    answers = [e.PermissionDecided(request_id=f"p{n}", **edited) for n in (1, 2, 3)]
    entries = read([started(), called(), ask, of_call, to_come, *answers, called("c2")])

    known = {"meta": {"k": 1}, **edited}
    _, first, alone, _, second = entries
    assert first["approval"] == {"request_id": "p2", **known}
    assert second["approval"] == {"request_id": "p3", **known}
    assert alone | known == alone


def test_what_runtimes_add_to_an_event_is_in_its_entry():
    entries = read(
        [
            started(meta={"m": 0}),
            e.AgentMessage(parts=text("a"), message_id="x", meta={"m": 1}),
            e.AgentMessage(parts=text("b"), message_id="x", meta={"n": 2}),
            e.AgentThought(parts=text("c"), meta={"m": 3}),
            called(kind="edit", meta={"m": 4}),
            e.ToolProgressed(tool_call_id="c1", meta={"m": 5}),
            returned(meta={"m": 6}),
        ]
    )
    assert [entry["meta"] for entry in entries] == [{"m": 0}, {"m": 1, "n": 2}, {"m": 3}, {"m": 4}]
    call = entries[-1]
    assert (call["tool_kind"], call["progress_meta"], call["result_meta"]) == (
        "edit", {"m": 5}, {"m": 6}
    )  # fmt: skip
