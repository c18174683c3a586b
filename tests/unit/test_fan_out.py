"""Who hears of new events in this process."""

import asyncio
from uuid import UUID

import pytest

from application import fan_out as live
from application.fan_out import Channel, FanOut, Signal
from application.partials.session_partials import SessionPartials
from application.ports.log.append import Append
from application.ports.log.events import NewEvent, StoredEvent
from application.ports.session.partials import KeptPiece, Key, Piece
from tests.support.builders import NOON, SESSION_ID

OTHER = UUID(int=2)


def events(first: int, last: int, size: int = 1) -> list[StoredEvent]:
    return [
        StoredEvent(SESSION_ID, sequence, sequence + 100, "runtime.notice", b"x" * size, b"")
        for sequence in range(first, last + 1)
    ]


def sequences(found: list[StoredEvent]) -> list[int]:
    return [event.sequence for event in found]


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_bell_wakes_all_who_wait():
    signal = Signal()
    waiting = [asyncio.create_task(signal.wait(None)) for _ in range(3)]
    await settle()

    signal.notify()

    assert await asyncio.gather(*waiting) == [True] * 3


async def test_a_bell_that_rang_before_is_not_heard_later():
    signal = Signal()
    signal.notify()

    assert await signal.wait(0.001) is False


async def test_who_waited_too_long_or_went_away_is_forgotten():
    signal = Signal()
    gone = asyncio.create_task(signal.wait(None))
    await settle()
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    await signal.wait(0.001)

    assert gone.cancelled()
    assert signal._waiting == []
    signal.notify()


async def test_nothing_is_known_of_a_session_before_it_is_heard_of():
    channel = Channel(SessionPartials(SESSION_ID))

    assert (channel.head, channel.after(0)) == (0, [])


async def test_what_follows_the_cursor_is_remembered():
    channel = Channel(SessionPartials(SESSION_ID))
    channel.add(events(4, 6))
    channel.add(events(7, 7))

    assert channel.head == 7
    assert sequences(channel.after(3)) == [4, 5, 6, 7]
    assert sequences(channel.after(5)) == [6, 7]


@pytest.mark.parametrize("cursor", [0, 2, 7, 8])
async def test_nothing_is_given_to_a_reader_who_is_further_behind_or_up_to_date(cursor):
    channel = Channel(SessionPartials(SESSION_ID))
    channel.add(events(4, 7))

    assert channel.after(cursor) == []


async def test_a_gap_forgets_what_was_before_it():
    channel = Channel(SessionPartials(SESSION_ID))
    channel.add(events(1, 3))
    channel.advance(5)
    channel.add(events(6, 7))

    assert channel.after(2) == channel.after(3) == []
    assert sequences(channel.after(5)) == [6, 7]


async def test_what_comes_late_changes_nothing():
    channel = Channel(SessionPartials(SESSION_ID))
    channel.add(events(1, 5))
    channel.add(events(2, 3))
    channel.advance(4)

    assert channel.head == 5
    assert sequences(channel.after(0)) == [1, 2, 3, 4, 5]


async def test_only_so_many_events_are_remembered():
    channel = Channel(SessionPartials(SESSION_ID))
    channel.add(events(1, live._REMEMBERED_EVENTS + 10))

    assert channel.after(9) == []
    assert len(channel.after(10)) == live._REMEMBERED_EVENTS


async def test_only_so_many_bytes_are_remembered():
    channel = Channel(SessionPartials(SESSION_ID))
    channel.add(events(1, 3, live._REMEMBERED_BYTES // 2))

    assert channel.after(0) == []
    assert sequences(channel.after(1)) == [2, 3]


async def test_one_event_that_is_too_large_is_read_from_the_table():
    channel = Channel(SessionPartials(SESSION_ID))
    channel.add(events(1, 1, live._REMEMBERED_BYTES + 1))

    assert (channel.head, channel.after(0)) == (1, [])
    channel.add(events(2, 2))
    assert sequences(channel.after(1)) == [2]


async def test_followers_are_woken_only_by_what_is_new_to_them():
    channel = Channel(SessionPartials(SESSION_ID))
    channel.advance(5)
    follower = asyncio.create_task(channel.signal.wait(None))
    await settle()

    channel.advance(5)
    await settle()
    assert not follower.done()
    channel.advance(6)
    assert await follower


async def test_an_append_is_handed_over_with_its_sequences_and_positions():
    fan_out = FanOut()
    append = Append(
        SESSION_ID, 4, [NewEvent("a.b", b"1", b"d1"), NewEvent("a.c", b"2", b"d2")], NOON
    )

    with fan_out.follow(SESSION_ID) as channel:
        fan_out.publish(SESSION_ID, append, 12)

        assert channel.after(4) == [
            StoredEvent(SESSION_ID, 5, 11, "a.b", b"1", b"d1"),
            StoredEvent(SESSION_ID, 6, 12, "a.c", b"2", b"d2"),
        ]


async def test_companions_of_an_append_are_handed_over_with_it():
    fan_out, child = FanOut(), OTHER
    append = Append(SESSION_ID, 4, [NewEvent("a.b", b"1", b"d1")], NOON)
    append.companions = [Append(child, 0, [NewEvent("a.c", b"2", b"d2")], NOON)]

    with fan_out.follow(child) as channel:
        fan_out.publish(SESSION_ID, append, 12)

        assert channel.after(0) == [StoredEvent(child, 1, 13, "a.c", b"2", b"d2")]


async def test_sessions_that_nobody_follows_cost_nothing():
    fan_out = FanOut()
    fan_out.publish(SESSION_ID, Append(SESSION_ID, 0, [NewEvent("a.b", b"", b"")], NOON), 1)
    fan_out.advance(SESSION_ID, 9)

    assert (fan_out.followed, fan_out.anybody) == (0, False)
    with fan_out.follow(SESSION_ID) as channel:
        assert channel.head == 0


async def test_followers_of_one_session_share_its_channel_until_the_last_one_leaves():
    fan_out = FanOut()
    with fan_out.follow(SESSION_ID) as first:
        with fan_out.follow(SESSION_ID) as second, fan_out.follow(OTHER) as other:
            assert first is second
            assert first is not other
            assert fan_out.followed == 3
        fan_out.advance(SESSION_ID, 3)
        assert (fan_out.followed, first.head) == (1, 3)

    with fan_out.follow(SESSION_ID) as anew:
        assert anew is not first


async def test_the_bell_of_the_log_rings_for_a_new_position_only():
    fan_out = FanOut()
    fan_out.reached(5)
    waiting = asyncio.create_task(fan_out.log.wait(None))
    await settle()

    fan_out.reached(5)
    fan_out.reached(4)
    await settle()
    assert not waiting.done()
    fan_out.reached(6)
    assert await waiting
    assert fan_out.position == 6


async def test_closing_wakes_everybody():
    fan_out = FanOut()
    with fan_out.follow(SESSION_ID) as channel:
        waiting = [
            asyncio.create_task(channel.signal.wait(None)),
            asyncio.create_task(fan_out.log.wait(None)),
        ]
        await settle()

        fan_out.close()

        assert await asyncio.gather(*waiting) == [True, True]
        assert fan_out.closing.is_set()


async def test_a_piece_wakes_the_followers_of_its_session_only():
    fan_out = FanOut()
    with fan_out.follow(SESSION_ID) as channel, fan_out.follow(OTHER) as other:
        waiting = [asyncio.create_task(one.signal.wait(None)) for one in (channel, other)]
        moved = asyncio.create_task(channel.moved.wait(None))
        await settle()

        fan_out.written(SESSION_ID)
        fan_out.hear_of(SESSION_ID)

        await settle()
        assert [one.done() for one in (*waiting, moved)] == [True, False, False]
        fan_out.close()
        await asyncio.gather(*waiting, moved)


async def test_a_piece_from_elsewhere_tells_how_far_its_session_has_come():
    fan_out = FanOut()
    key = Key("agent.message", "m", "text")
    with fan_out.follow(SESSION_ID) as channel:
        fan_out.hear(KeptPiece(SESSION_ID, "t1", Piece(key, 0, 1, 0, "a", since=7)))
        fan_out.hear(KeptPiece(OTHER, "t1", Piece(key, 0, 1, 0, "a", since=7)))

        assert channel.head == 7
        assert fan_out.partials.get(OTHER) is None
