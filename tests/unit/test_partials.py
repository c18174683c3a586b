"""One message that is being written: how pieces join it, and what is refused."""

import pytest

from application.errors import PieceMisplaced, StoreUnavailable
from application.fan_out import FanOut
from application.partials.book import PartialBook
from application.partials.partial import Mark, Partial
from application.partials.session_partials import SessionPartials
from application.partials.surrogates import joined, rest_of
from application.partials.writer import PartialWriter
from application.ports.log.events import NewEvent
from application.ports.session.partials import Ending, KeptPiece, Key, Piece
from domain.errors import Invalid
from tests.support.builders import SESSION_ID

KEY = Key("agent.message", "m", "text")


def written(*texts: str) -> Partial:
    partial = Partial(KEY, since=2, own=True)
    for text in texts:
        add(partial, text)
    return partial


def add(partial: Partial, text: str, offset: int | None = None, index: int | None = None) -> bool:
    added = partial.fresh(text, offset, index)
    if added is not None:
        partial.append(*added)
    return added is not None


def kept(text: str, index: int = 0, offset: int = 0, since: int = 2, turn: str = "t1") -> KeptPiece:
    return KeptPiece(SESSION_ID, turn, Piece(KEY, index, 1, offset, text, since))


def text_in(session: SessionPartials) -> str | None:
    partial = session.messages.get(KEY)
    return None if partial is None else partial.text()


def in_turn(checked: int = 2) -> SessionPartials:
    session = SessionPartials(SESSION_ID)
    session.run("t1")
    session.checked, session.joined = checked, True
    return session


# ── where a piece belongs ────────────────────────────────────────────────────────────────────


def test_pieces_are_numbered_by_pieces_and_by_code_points():
    partial = written("Zoë ", "", "🐢!")

    assert partial.after(Mark()) == Piece(KEY, 0, 3, 0, "Zoë 🐢!", 2)
    assert partial.after(Mark(2, 4)) == Piece(KEY, 2, 1, 4, "🐢!", 2)
    assert (partial.count, partial.length, partial.size) == (3, 6, 10)


def test_many_pieces_are_one_text_from_any_place():
    words = [f"w{n} " for n in range(600)]
    partial = written(*words)
    whole = "".join(words)

    assert [partial.text(at) for at in (0, 1, 700, len(whole))] == [
        whole, whole[1:], whole[700:], "",
    ]  # fmt: skip


def test_the_same_piece_again_adds_nothing():
    partial = written("The ", "quick ")

    assert not add(partial, "quick ", 4, 1)
    assert not add(partial, "The quick ", 0)
    assert not add(partial, "", 4, 1)
    assert (partial.text(), partial.count) == ("The quick ", 2)


def test_of_a_piece_that_is_there_in_part_the_rest_is_added():
    partial = written("The ", "quick ")

    assert add(partial, "quick fox", 4)
    assert (partial.text(), partial.count) == ("The quick fox", 3)


@pytest.mark.parametrize(
    ("text", "offset", "index", "ahead"),
    [
        ("fox", 11, None, True),
        ("fox", 10, 3, True),
        ("fox", 10, 1, False),
        ("slow ", 4, None, False),
        ("The slow fox", 0, 0, False),
    ],
    ids=["a gap", "an index ahead", "an index behind", "another text", "another text in part"],
)
def test_a_piece_out_of_place_is_told_where_its_message_goes_on(text, offset, index, ahead):
    partial = written("The ", "quick ")

    with pytest.raises(PieceMisplaced) as refused:
        add(partial, text, offset, index)

    assert refused.value.facts == {
        "ahead": ahead,
        "type": "agent.message",
        "message_id": "m",
        "kind": "text",
        "expected": {"index": 2, "offset": 10},
    }
    assert partial.text() == "The quick "


# ── halves of characters ─────────────────────────────────────────────────────────────────────


def test_a_pair_that_is_torn_between_two_pieces_is_joined():
    partial = written("a\ud83d")
    assert (partial.text(), partial.half, partial.count) == ("a", "\ud83d", 1)

    add(partial, "\udc22b", 1, 1)

    assert (partial.text(), partial.half, partial.count) == ("a🐢b", "", 2)


@pytest.mark.parametrize(
    ("text", "offset"), [("a\ud83d", 0), ("\udc22b", 1), ("a🐢b", 0), ("🐢", 1), ("", 2)]
)
def test_a_torn_piece_again_adds_nothing(text, offset):
    partial = written("a\ud83d", "\udc22b")

    assert not add(partial, text, offset, 0 if offset else None)
    assert partial.text() == "a🐢b"


def test_a_piece_that_is_sent_again_in_one_with_the_next_closes_the_pair():
    partial = written("a\ud83d")

    assert not add(partial, "a\ud83d", 0)
    assert add(partial, "a🐢b", 0)
    assert (partial.text(), partial.half) == ("a🐢b", "")


@pytest.mark.parametrize("text", ["b", "\ud83d", "x\udc22"])
def test_half_of_a_pair_needs_its_other_half(text):
    with pytest.raises(Invalid):
        add(written("a\ud83d"), text)
    with pytest.raises(Invalid):
        add(written("a"), "\udc22")


def test_joining_and_comparing_by_halves():
    assert joined("", "plain") == ("plain", "")
    assert joined("\ud83d", "\udc22\ud83d") == ("🐢", "\ud83d")
    assert rest_of("\udc22bc", "🐢b", "") == "c"
    assert rest_of("🐢b", "", "\ud83d") == "🐢b"
    assert rest_of("🐟", "", "\ud83e") is None


# ── what other processes have taken ──────────────────────────────────────────────────────────


def test_pieces_from_elsewhere_join_however_they_are_cut():
    partial = Partial(KEY, 2)

    for index, offset, text in ((0, 0, "The "), (0, 0, "The qu"), (1, 4, "quick "), (0, 0, "T")):
        assert partial.join(Piece(KEY, index, 1, offset, text, 2))

    assert (partial.text(), partial.count, partial.own) == ("The quick ", 2, False)
    assert not partial.join(Piece(KEY, 9, 1, 11, "!", 2))


def test_a_piece_that_comes_early_waits_for_the_one_before_it():
    session = in_turn()

    assert not session.join(kept("quick ", 1, 4))
    session.put_off(kept("quick ", 1, 4))
    assert session.join(kept("The "))
    session.catch_up()

    assert text_in(session) == "The quick "
    assert session.early == []


def test_what_never_gets_its_turn_is_given_up():
    session = in_turn()
    session.put_off(kept("quick ", 1, 4))

    for _ in range(11):
        session.catch_up()

    assert (session.early, session.messages) == ([], {})


@pytest.mark.parametrize(
    "late",
    [kept("late", since=2), kept("late", since=2, turn="t0")],
    ids=["of a message that is recorded", "of a turn that is over"],
)
def test_no_piece_comes_back_of_what_has_ended(late):
    session = in_turn(checked=5)
    session.end(Ending(SESSION_ID, 4, "agent.message", "m"))

    assert session.join(late, verified=True)
    assert session.messages == {}


def test_the_next_message_of_the_same_id_begins_anew():
    session = in_turn()
    session.join(kept("first"))
    session.end(Ending(SESSION_ID, 3, "agent.message", "m"))
    session.checked = 3

    assert session.join(kept("second", since=3))
    assert text_in(session) == "second"
    # Read again, the event that ended the first one does not end the second.
    assert not session.end(Ending(SESSION_ID, 3, "agent.message", "m"))


def test_a_message_that_may_have_ended_meanwhile_is_looked_at_before_it_is_shown():
    session = in_turn(checked=9)

    assert not session.join(kept("begun at 2", since=2))
    assert session.join(kept("begun at 2", since=2), verified=True)


# ── all sessions of a process ────────────────────────────────────────────────────────────────


def event(kind: str, data: str = "{}") -> NewEvent:
    return NewEvent(kind, b'{"data":%s}' % data.encode(), b"")


def book_with(*keys: Key) -> tuple[PartialBook, SessionPartials]:
    book = PartialBook()
    with book.used(SESSION_ID) as session:
        session.run("t1")
        session.checked, session.joined = 2, True
        for key in keys:
            session.messages[key] = partial = Partial(key, 2, own=True)
            partial.append("text")
        book.keep(session)
    return book, session


THOUGHT = Key("agent.thought", "m", "reasoning")
NAMELESS = Key("agent.message", "t1", "text")
CALL = Key("tool.called", "c1", "tool_input")


@pytest.mark.parametrize(
    ("recorded", "left"),
    [
        (event("agent.message", '{"message_id":"m"}'), [THOUGHT, NAMELESS, CALL]),
        (event("agent.message"), [KEY, THOUGHT, CALL]),
        (event("agent.thought", '{"message_id":"m"}'), [KEY, NAMELESS, CALL]),
        (event("tool.called", '{"tool_call_id":"c1"}'), [KEY, THOUGHT, NAMELESS]),
        (event("tool.returned", '{"tool_call_id":"c1"}'), [KEY, THOUGHT, NAMELESS, CALL]),
        (event("turn.cancelled"), []),
    ],
    ids=lambda one: one.type if isinstance(one, NewEvent) else "",
)
def test_an_event_ends_what_it_records_and_nothing_else(recorded, left):
    book, session = book_with(KEY, THOUGHT, NAMELESS, CALL)

    book.publish(SESSION_ID, 2, [recorded])

    assert list(session.messages) == left
    assert session.checked == 3
    assert bool(book.take_work()[1]) == (len(left) < 4)


def test_an_append_after_one_that_was_not_heard_of_leaves_a_gap_to_look_at():
    book, session = book_with(KEY)

    book.publish(SESSION_ID, 5, [event("x")])

    assert session.checked == 2


def test_a_process_keeps_no_more_than_it_may_of_what_is_kept_elsewhere(monkeypatch):
    monkeypatch.setattr("application.partials.book._COUNTED_EVERY", 1)
    book, session = book_with(KEY, THOUGHT, CALL)
    book._share.limit = 10

    # Not yet kept, it is needed.
    assert not book.has_room(1)
    book.take_work()
    book.settle([session])
    assert book.has_room(1)
    assert book.get(SESSION_ID) is None


def test_after_a_failed_write_all_of_it_is_written_again():
    book, session = book_with(KEY)
    work, endings = book.take_work()
    session.messages[KEY].kept = session.messages[KEY].mark

    book.keep_again(work, [*endings, Ending(SESSION_ID, 9)])

    assert book.take_work() == ([session], [Ending(SESSION_ID, 9)])
    assert session.messages[KEY].kept == Mark()


class FailsOnce:
    """Keeps and forgets, the first time of each without success."""

    def __init__(self) -> None:
        self.kept: list[list[str]] = []
        self.forgotten: list[list[Ending]] = []

    async def keep(self, pieces) -> None:
        self.kept.append([one.piece.text for one in pieces])
        if len(self.kept) == 1:
            raise StoreUnavailable

    async def forget(self, endings) -> None:
        self.forgotten.append(list(endings))
        if len(self.forgotten) == 1:
            raise StoreUnavailable


async def test_what_could_not_be_kept_or_forgotten_is_tried_again():
    store, fan_out = FailsOnce(), FanOut()
    writer = PartialWriter(store, fan_out)
    ending = Ending(SESSION_ID, 9)
    with fan_out.partials.used(SESSION_ID) as session:
        session.run("t1")
        session.messages[KEY] = written("Hello")
        fan_out.partials.keep(session)
        fan_out.partials.forget(ending)
        for _ in range(3):
            await writer.stop()

    assert store.kept == [["Hello"]] * 3
    assert store.forgotten == [[ending]] * 2
