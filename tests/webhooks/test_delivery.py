"""What receivers get: in order, at least once, and the same again under the same id."""

import asyncio
import logging
from datetime import timedelta
from uuid import UUID

import psycopg
import pytest

from application.errors import StoreUnavailable
from application.ports.webhooks.changes import Change
from tests.support.appends import Chain, row
from tests.support.receiver import Answer, receiving
from tests.webhooks.desk import SECRET, START, Desk, desk


async def test_events_come_in_order_signed_and_as_the_feed_has_them(database_url: str) -> None:
    async with receiving() as receiver, desk(database_url) as one:
        chains = [Chain(), Chain()]
        webhook_id = await one.webhook(receiver.url)
        for number in range(30):
            await one.write(chains[number % 2], 1 + number % 3)
        await receiver.until(lambda: len(receiver.positions) == one.fan_out.position)

        assert receiver.positions == list(range(1, one.fan_out.position + 1))
        assert len({message.id for message in receiver.messages}) == len(receiver.messages)
        stored = (await one.log.read_all(after=0, upto=one.fan_out.position, limit=1000)).events
        for message in receiver.messages:
            assert message.is_signed_with(SECRET)
            assert not message.is_signed_with(SECRET.replace("c2V", "c2W"))
            assert message.headers["webhook-timestamp"] == str(int(START.timestamp()))
            assert message.headers["content-type"] == "application/json"
            assert message.path == "/hook"
            body = message.json
            assert (body["webhook_id"], body["next"]) == (str(webhook_id), message.positions[-1])
            for event in body["events"]:
                there = stored[event["position"] - 1]
                assert event["session_id"] == str(there.session_id)
                assert event["digest"] == there.digest.hex()
                # Byte for byte, behind the place and the digest.
                assert there.record[1:] in message.body
        await one.settled(webhook_id, one.fan_out.position)
        webhook = await one.get(webhook_id)
        assert webhook.delivered_events == one.fan_out.position
        assert webhook.delivered_batches == len(receiver.messages)
        # One connection for all of them.
        assert receiver.connections == 1


@pytest.mark.parametrize("batch", [1, 7, 500])
async def test_a_backlog_comes_in_batches(database_url: str, batch: int) -> None:
    async with receiving() as receiver, desk(database_url) as one:
        await one.write(Chain(), 50)
        webhook_id = await one.webhook(receiver.url, batch=batch)
        await one.settled(webhook_id, 50)

        sizes = [len(message.positions) for message in receiver.messages]
        assert sizes[:-1] == [batch] * (50 // batch if 50 % batch else 50 // batch - 1)
        assert receiver.positions == list(range(1, 51))


async def test_a_batch_has_a_bounded_size(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = 200 * 1024
    async with receiving() as receiver, desk(database_url) as one:
        await one.write(Chain(), 12, text="x" * large)
        webhook_id = await one.webhook(receiver.url)
        await one.settled(webhook_id, 12)

        assert [message.positions for message in receiver.messages] == [
            [1, 2, 3, 4, 5, 6],
            [7, 8, 9, 10, 11, 12],
        ]


async def test_one_that_begins_now_is_told_of_what_comes(database_url: str) -> None:
    async with receiving() as receiver, desk(database_url) as one:
        chain = Chain()
        await one.write(chain, 5)
        await one.webhook(receiver.url, after=5)
        await one.write(chain, 2)
        await receiver.until(lambda: len(receiver.positions) == 2)

        assert receiver.positions == [6, 7]


async def test_a_failed_batch_comes_again_as_it_was_under_the_same_id(database_url: str) -> None:
    async with receiving() as receiver, desk(database_url, jitter=0.0) as one:
        receiver.answers = [Answer(500), Answer(503), Answer(404), Answer(301), Answer(200)]
        chain = Chain()
        gate = receiver.answers[0].gate = asyncio.Event()
        webhook_id = await one.webhook(receiver.url)
        await one.write(chain, 3)
        await receiver.until(lambda: receiver.arrived == 1)
        # More comes while the first attempt is under way: it goes into the next batch.
        await one.write(chain, 4)
        gate.set()
        await one.settled(webhook_id, 7)

        first, *rest = receiver.messages
        assert [(one.id, one.body) for one in rest[:4]] == [(first.id, first.body)] * 4
        assert first.positions == [1, 2, 3]
        assert receiver.positions == [1, 2, 3, 4, 5, 6, 7]
        assert rest[4].id != first.id
        # Twice as long each time, by the clock that the signatures are made with.
        assert one.time.waited == [1.0, 2.0, 4.0, 8.0]
        stamps = [int(message.headers["webhook-timestamp"]) for message in receiver.messages]
        since = [stamp - int(START.timestamp()) for stamp in stamps]
        assert since == [0, 1, 3, 7, 15, 15]
        assert all(message.is_signed_with(SECRET) for message in receiver.messages)
        webhook = await one.get(webhook_id)
        assert (webhook.state, webhook.attempts, webhook.last_error) == ("active", 0, None)
        assert webhook.failed_attempts == 4


async def test_a_receiver_that_is_away_is_tried_until_it_is_back(database_url: str) -> None:
    async with receiving() as receiver, desk(database_url) as one:
        chain = Chain()
        webhook_id = await one.webhook(receiver.url)
        await one.write(chain)
        await one.settled(webhook_id, 1)
        await receiver.close()
        one.time.stands = True
        await one.write(chain, 2)
        for attempt in (1, 2, 3):
            await receiver.until(lambda: len(one.time.waited) == attempt)  # noqa: B023
            failing = await one.get(webhook_id)
            assert (failing.state, failing.attempts) == ("failing", attempt)
            assert failing.last_error is not None
            assert failing.last_error.startswith("the connection failed")
            if attempt == 3:
                await receiver.open()
            one.time.pass_by(one.time.waited[-1])

        await receiver.until(lambda: receiver.positions == [1, 2, 3])


async def test_a_receiver_that_does_not_answer_is_a_failure(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "cairn.webhooks"):
        async with receiving() as receiver, desk(database_url, within=0.3) as one:
            gate = asyncio.Event()
            # However late it comes, or not at all: nobody is answered before the first has failed.
            receiver.always = Answer(200, gate=gate)
            one.time.stands = True
            webhook_id = await one.webhook(receiver.url)
            await one.write(Chain())
            await receiver.until(lambda: len(one.time.waited) == 1)
            # The next one may take as long as a busy machine needs.
            one.sender.timeout = 20.0
            receiver.always = Answer(200)
            one.time.pass_by(one.time.waited[0])
            await one.settled(webhook_id, 1)
            gate.set()
            webhook = await one.get(webhook_id)

    assert webhook.failed_attempts == 1
    assert webhook.delivered_events == 1
    assert receiver.accepted
    assert "no answer within 0.3 s; again in" in caplog.text


async def test_how_long_it_waits_is_kept_for_who_takes_over(database_url: str) -> None:
    async with receiving() as receiver, desk(database_url, jitter=0.0) as one:
        receiver.always = Answer(500)
        one.time.stands = True
        webhook_id = await one.webhook(receiver.url)
        await one.write(Chain(), 2)
        await receiver.until(lambda: bool(one.time.waited))
        before = await one.get(webhook_id)
        assert (before.attempts, before.next_attempt_at) == (1, START + timedelta(seconds=1))

        one.time.pass_by(0.25)
        await one.restart()
        await receiver.until(lambda: len(one.time.waited) >= 2)

        # It goes on waiting where the one before was, and has not tried in between.
        assert one.time.waited == [1.0, 0.75]
        assert receiver.arrived == 1


async def test_the_longest_wait_and_what_the_receiver_asks_for(database_url: str) -> None:
    async with receiving() as receiver, desk(database_url, jitter=0.0, attempts=99) as one:
        receiver.answers = [
            Answer(503, headers={"retry-after": "77"}),
            Answer(429, headers={"retry-after": "100000"}),
            Answer(500, headers={"retry-after": "88"}),
            Answer(503, headers={"retry-after": "soon"}),
            *[Answer(500)] * 8,
        ]
        webhook_id = await one.webhook(receiver.url)
        await one.write(Chain())
        await one.settled(webhook_id, 1)

        # At most ten minutes, whoever asks for more; only with 429 and 503 may they ask.
        assert one.time.waited == [77.0, 600.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0,
                                   600.0, 600.0]  # fmt: skip


async def test_waits_vary_so_that_not_all_come_back_at_once(database_url: str) -> None:
    async with receiving() as receiver, desk(database_url, jitter=0.2) as one:
        receiver.answers = [Answer(500)] * 8
        webhook_id = await one.webhook(receiver.url)
        await one.write(Chain())
        await one.settled(webhook_id, 1)

        for number, waited in enumerate(one.time.waited):
            assert max(1, 0.8 * 2**number) <= waited <= 1.2 * 2**number
        assert any(waited != 2**number for number, waited in enumerate(one.time.waited))


async def test_what_fails_too_often_is_given_up_and_can_be_sent_again(database_url: str) -> None:
    async with receiving() as receiver, desk(database_url, attempts=3) as one:
        receiver.answers = [Answer(500)] * 3
        chain = Chain()
        webhook_id = await one.webhook(receiver.url, batch=2)
        await one.write(chain, ["message.added", "turn.started", "message.added"])
        await one.settled(webhook_id, 3)

        assert receiver.positions == [3]
        (letter,) = await one.store.dead_letters(webhook_id, after=0, limit=9)
        assert (letter.number, letter.after, letter.upto) == (1, 0, 2)
        assert (letter.events, letter.attempts, letter.queued) == (2, 3, False)
        assert letter.reason == "the receiver answered 500"
        webhook = await one.get(webhook_id)
        assert (webhook.dead_letters, webhook.failed_attempts, webhook.state) == (1, 3, "active")

        # Once more in vain, then with success: the same batch under the same id.
        receiver.answers = [Answer(418)]
        assert await one.store.queue_dead_letter(webhook_id, 1)
        await one.dispatcher.round()
        await receiver.until(lambda: len(receiver.messages) == 5)
        await until_letters(one, webhook_id, "the receiver answered 418")
        (letter,) = await one.store.dead_letters(webhook_id, after=0, limit=9)
        assert (letter.attempts, letter.queued) == (4, False)
        assert await one.store.queue_dead_letter(webhook_id, 1)
        await one.dispatcher.round()
        await receiver.until(lambda: receiver.positions == [3, 1, 2])
        await until_letters(one, webhook_id, None)

        given_up = [message for message in receiver.messages if 1 in message.positions]
        assert len({(message.id, message.body) for message in given_up}) == 1
        assert len(given_up) == 5
        assert (await one.get(webhook_id)).delivered_events == 3


async def until_letters(one: Desk, webhook_id: UUID, reason: str | None) -> None:
    """Wait until the only dead letter has failed for a reason, or is gone."""

    async def is_so() -> bool:
        letters = await one.store.dead_letters(webhook_id, after=0, limit=9)
        return (letters[0].reason if letters else None) == reason

    await one.until(is_so)


async def test_a_dead_letter_is_sent_with_what_was_wanted_then(database_url: str) -> None:
    async with receiving() as receiver, desk(database_url, attempts=1) as one:
        receiver.answers = [Answer(500)]
        webhook_id = await one.webhook(receiver.url, "turn.*")
        await one.write(Chain(), ["turn.started", "message.added", "turn.completed"])
        await one.settled(webhook_id, 3)

        await one.store.change(webhook_id, Change(types=("message.added",)), START)
        assert await one.store.queue_dead_letter(webhook_id, 1)
        await one.dispatcher.round()
        await receiver.until(lambda: receiver.positions == [1, 3])

        failed, again = receiver.messages
        assert (failed.id, failed.body) == (again.id, again.body)


async def test_who_takes_over_goes_on_from_the_checkpoint(database_url: str) -> None:
    async with receiving() as receiver, desk(database_url) as one:
        chain, gate = Chain(), asyncio.Event()
        webhook_id = await one.webhook(receiver.url, batch=4)
        await one.write(chain, 4)
        await one.settled(webhook_id, 4)
        receiver.answers = [Answer(200, gate=gate)]
        await one.write(chain, 3)
        await receiver.until(lambda: receiver.arrived == 2)
        # It is gone in the middle of a delivery that the receiver takes, and more comes.
        restarted = asyncio.create_task(one.restart())
        await one.write(chain, 5)
        await restarted
        gate.set()
        await one.settled(webhook_id, 12)

        assert sorted(set(receiver.positions)) == list(range(1, 13))
        twice = [message for message in receiver.messages if 5 in message.positions]
        # What is repeated is the very same, so that the receiver can drop it.
        assert 1 <= len(twice) <= 2
        assert {message.id for message in twice} == {twice[0].id}
        assert {message.body for message in twice} == {twice[0].body}
        without_repeats = {message.id: message for message in receiver.messages}
        seen = [position for one in without_repeats.values() for position in one.positions]
        assert seen == list(range(1, 13))


@pytest.mark.parametrize("moment", ["pin", "delivered"])
async def test_no_event_is_lost_when_the_store_is_away_at_a_bad_moment(
    database_url: str, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with receiving() as receiver, desk(database_url, after_error=0.001) as one:
        failures = [StoreUnavailable(), ValueError("unforeseen")]
        real = getattr(one.store, moment)

        async def fails(*arguments: object, **rest: object) -> bool:
            if failures:
                raise failures.pop(0)
            done: bool = await real(*arguments, **rest)
            return done

        monkeypatch.setattr(one.store, moment, fails)
        chain = Chain()
        webhook_id = await one.webhook(receiver.url, batch=2)
        await one.write(chain, 5)
        await one.settled(webhook_id, 5)

        assert not failures
        seen = {message.id: message.positions for message in receiver.messages}
        assert list(seen.values()) == [[1, 2], [3, 4], [5]]


async def test_what_was_sent_is_sent_again_on_request(database_url: str) -> None:
    async with receiving() as receiver, desk(database_url) as one:
        chain = Chain()
        webhook_id = await one.webhook(receiver.url, batch=3)
        await one.write(chain, 10)
        await one.settled(webhook_id, 10)
        before = receiver.messages.copy()

        # A part of it, then it goes on where it was.
        assert await one.store.replay(webhook_id, after=4, upto=8, at=START)
        asked = await one.get(webhook_id)
        assert (asked.checkpoint, asked.replay_upto, asked.resume_at) == (4, 8, 10)
        await one.write(chain, 2)
        await one.dispatcher.round()
        await one.settled(webhook_id, 12)
        assert receiver.positions[10:] == [5, 6, 7, 8, 11, 12]
        # These are to be looked at, and not dropped as repeats.
        assert not {m.id for m in before} & {m.id for m in receiver.messages[len(before) :]}

        # All of it; an end that was never reached is where it is.
        del receiver.messages[:]
        assert await one.store.replay(webhook_id, after=0, upto=10_000, at=START)
        await one.dispatcher.round()
        await receiver.until(lambda: len(receiver.positions) == 12)
        await one.settled(webhook_id, 12)
        assert receiver.positions == list(range(1, 13))
        # The very same batches, and yet other ones.
        assert [message.positions for message in receiver.messages[:3]] == [
            message.positions for message in before[:3]
        ]
        assert not {m.id for m in before} & {m.id for m in receiver.messages}
        ended = await one.get(webhook_id)
        assert (ended.replay_upto, ended.resume_at) == (None, None)
        assert not await one.store.replay(webhook_id, after=12, upto=20, at=START)


async def test_a_replay_of_nothing_wanted_ends_where_it_was(database_url: str) -> None:
    async with receiving() as receiver, desk(database_url) as one:
        webhook_id = await one.webhook(receiver.url, "turn.started")
        await one.write(Chain(), ["message.added"] * 5 + ["turn.started"])
        await one.settled(webhook_id, 6)

        assert await one.store.replay(webhook_id, after=1, upto=4, at=START)
        await one.dispatcher.round()
        await one.settled(webhook_id, 6)

        assert receiver.positions == [6]


async def test_a_replay_in_a_replay(database_url: str) -> None:
    async with receiving() as receiver, desk(database_url) as one:
        webhook_id = await one.webhook(receiver.url, batch=2)
        await one.write(Chain(), 9)
        await one.settled(webhook_id, 9)
        gate = asyncio.Event()
        receiver.answers = [Answer(200, gate=gate)]
        assert await one.store.replay(webhook_id, after=6, upto=8, at=START)
        await one.dispatcher.round()
        await receiver.until(lambda: receiver.arrived == 6)
        assert await one.store.replay(webhook_id, after=2, upto=4, at=START)
        await one.dispatcher.round()
        gate.set()
        await one.settled(webhook_id, 9)

        assert receiver.positions[9:] == [7, 8, 3, 4]


async def test_a_paused_webhook_gets_nothing_until_it_is_resumed(database_url: str) -> None:
    async with receiving() as receiver, desk(database_url) as one:
        chain = Chain()
        webhook_id = await one.webhook(receiver.url)
        other_id = await one.webhook(receiver.url + "/other")
        await one.store.change(webhook_id, Change(active=False), START)
        await one.dispatcher.round()
        await one.write(chain, 3)
        await one.settled(other_id, 3)
        paused = await one.get(webhook_id)
        assert (paused.state, paused.paused_because) == ("paused", "asked")
        assert (paused.checkpoint, paused.pinned) == (0, None)

        await one.store.change(webhook_id, Change(active=True), START)
        await one.dispatcher.round()
        await one.settled(webhook_id, 3)

        assert [message.path for message in receiver.messages] == ["/hook/other", "/hook"]
        assert (await one.get(webhook_id)).paused_because is None


async def test_one_who_is_gone_is_told_nothing_more(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with receiving() as receiver, desk(database_url) as one:
        receiver.answers = [Answer(410)]
        chain = Chain()
        webhook_id = await one.webhook(receiver.url)
        await one.write(chain)
        await one.paused(webhook_id)
        await one.write(chain)
        await one.dispatcher.round()
        gone = await one.get(webhook_id)
        assert (gone.state, gone.paused_because, gone.checkpoint) == ("paused", "gone", 0)
        assert gone.last_error == "the receiver answered 410"
        assert receiver.arrived == 1

        await one.store.change(webhook_id, Change(active=True), START)
        await one.dispatcher.round()
        await one.settled(webhook_id, 2)

        assert receiver.positions == [1, 2]
        assert {receiver.messages[0].id} == {receiver.messages[1].id}


@pytest.mark.parametrize(
    ("wanted", "owners", "expected"),
    [
        (("turn.started",), {}, [2, 7]),
        (("turn.*",), {}, [2, 3, 7, 8]),
        (("turn.*", "message.added"), {}, [1, 2, 3, 6, 7, 8]),
        (("t*", "tool.called"), {}, [2, 3, 4, 7, 8, 9]),
        ((), {"app": "shop"}, [1, 2, 3, 4, 5]),
        ((), {"user": "bob"}, [6, 7, 8, 9, 10]),
        (("turn.*",), {"app": "desk", "user": "bob"}, [7, 8]),
        (("turn.*",), {"app": "desk", "user": "ada"}, []),
        (("usage.reported",), {}, [5, 10]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("when", ["before", "after"])
async def test_only_what_is_wanted_comes(
    database_url: str, wanted: tuple[str, ...], owners: dict[str, str], expected: list[int],
    when: str,
) -> None:  # fmt: skip
    kinds = ["message.added", "turn.started", "turn.completed", "tool.called", "usage.reported"]
    async with receiving() as receiver, desk(database_url) as one:
        made = None
        if when == "before":
            made = await one.webhook(receiver.url, *wanted, **owners)
        await one.write(Chain(), kinds)
        await one.write(Chain(), kinds, row=row(app="desk", user="bob"))
        # What was written before is read from the table, what comes after it from memory.
        webhook_id = made or await one.webhook(receiver.url, *wanted, **owners)
        await one.settled(webhook_id, 10)

        assert receiver.positions == expected


async def test_a_checkpoint_moves_on_without_deliveries_now_and_then(database_url: str) -> None:
    async with receiving() as receiver, desk(database_url, lazily=3600.0) as one:
        waits: list[float | None] = []

        async def pause(woken: asyncio.Event, seconds: float | None) -> None:
            waits.append(seconds)
            await woken.wait()

        one.time.pause = pause  # type: ignore[method-assign]
        one.dispatcher = one.another()
        webhook_id = await one.webhook(receiver.url, "turn.*")
        chain = Chain()
        await receiver.until(lambda: waits == [None])
        for _ in range(3):
            await one.write(chain, 5)
            await receiver.until(lambda: waits[-1] is not None)
        # It knows, and will write it down within the time, but has not yet.
        assert 3500 < (waits[-1] or 0) <= 3600
        assert (await one.get(webhook_id)).checkpoint == 0
        assert receiver.arrived == 0


async def test_a_slow_receiver_does_not_hold_up_another(database_url: str) -> None:
    async with receiving() as slow, receiving() as quick, desk(database_url) as one:
        gate = asyncio.Event()
        slow.always = Answer(200, gate=gate)
        chain = Chain()
        slow_ids = [await one.webhook(slow.url) for _ in range(20)]
        quick_id = await one.webhook(quick.url)
        for number in range(1, 11):
            await one.write(chain)
            await one.settled(quick_id, number)
        assert quick.positions == list(range(1, 11))
        assert slow.messages == []

        gate.set()
        for webhook_id in slow_ids:
            await one.settled(webhook_id, 10)
        assert len(slow.positions) == 200


async def test_what_changes_while_a_delivery_is_under_way(database_url: str) -> None:
    async with receiving() as old, receiving() as new, desk(database_url) as one:
        gate = asyncio.Event()
        old.answers = [Answer(500, gate=gate)]
        webhook_id = await one.webhook(old.url)
        await one.write(Chain(), 2)
        await old.until(lambda: old.arrived == 1)

        # Another address and another secret: tried at once, and not after the old one's time.
        secret = "whsec_" + "YW5vdGhlciBzZWNyZXQgb2YgdGhpcyB0ZXN0ISEh"
        await one.store.change(webhook_id, Change(url=new.url, secret=secret), START)
        await one.dispatcher.round()
        gate.set()
        await one.settled(webhook_id, 2)

        assert one.time.waited == []
        assert (old.arrived, new.positions) == (1, [1, 2])
        assert old.messages[0].id == new.messages[0].id
        assert new.messages[0].is_signed_with(secret)


async def test_an_old_secret_signs_beside_the_new_one_for_a_while(database_url: str) -> None:
    second = "whsec_" + "YW5vdGhlciBzZWNyZXQgb2YgdGhpcyB0ZXN0ISEh"
    async with receiving() as receiver, desk(database_url) as one:
        chain = Chain()
        webhook_id = await one.webhook(receiver.url)
        until = one.time.now() + timedelta(minutes=5)
        change = Change(secret=second, old_secret_until=until)
        await one.store.change(webhook_id, change, one.time.now())
        # The same again takes the place of none.
        await one.store.change(webhook_id, change, one.time.now())
        await one.dispatcher.round()
        await one.settled(webhook_id, await one.write(chain))
        assert receiver.messages[-1].is_signed_with(second)
        assert receiver.messages[-1].is_signed_with(SECRET)
        for secret in (second, SECRET):
            message = receiver.messages[-1]
            assert message.headers["webhook-signature"].count("v1,") == 2, secret

        one.time.pass_by(300)
        await one.settled(webhook_id, await one.write(chain))
        assert receiver.messages[-1].is_signed_with(second)
        assert not receiver.messages[-1].is_signed_with(SECRET)
        # And is not kept.
        kept = await one.get(webhook_id)
        assert (kept.old_secret, kept.old_secret_until) == (None, None)


async def test_a_webhook_that_is_taken_away_in_the_middle_of_a_delivery(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with receiving() as receiver, desk(database_url) as one:
        gate = asyncio.Event()
        receiver.answers = [Answer(200, gate=gate)]
        chain = Chain()
        webhook_id = await one.webhook(receiver.url)
        other_id = await one.webhook(receiver.url)
        await one.write(chain)
        await receiver.until(lambda: receiver.arrived == 2)
        assert await one.store.delete(webhook_id)
        await one.dispatcher.round()
        gate.set()
        await one.write(chain)
        await one.settled(other_id, 2)
        await one.dispatcher.round()
        await one.dispatcher.round()

        assert len(one.dispatcher._deliveries) == 1
        assert await one.store.dead_letters(webhook_id, after=0, limit=9) == []
        assert not [r for r in caplog.records if r.levelno >= logging.ERROR]


async def test_two_who_both_believe_to_own_it_lose_nothing(database_url: str) -> None:
    async with receiving() as receiver, desk(database_url) as one:
        other = one.another()
        chain = Chain()
        webhook_id = await one.webhook(receiver.url, batch=3)
        await other.round()
        for _ in range(20):
            await one.write(chain, 2)
        await one.settled(webhook_id, 40)
        await other.let_go()

        without_repeats = {message.id: message.positions for message in receiver.messages}
        assert [p for positions in without_repeats.values() for p in positions] == [*range(1, 41)]


async def test_who_has_fallen_behind_catches_up_with_those_who_have_not(database_url: str) -> None:
    async with receiving() as behind, receiving() as ahead, desk(database_url) as one:
        chain = Chain()
        await one.write(chain, 1500)
        ahead_id = await one.webhook(ahead.url, after=1500)
        behind_id = await one.webhook(behind.url, batch=500)
        for _ in range(40):
            await one.write(chain, 60)
        for webhook_id in (ahead_id, behind_id):
            await one.settled(webhook_id, 3900)

        assert ahead.positions == list(range(1501, 3901))
        assert behind.positions == list(range(1, 3901))


async def test_nothing_secret_is_logged(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        async with receiving() as receiver, desk(database_url, attempts=2) as one:
            receiver.answers = [Answer(500), Answer(500), Answer(410)]
            webhook_id = await one.webhook(f"{receiver.url}?token=of-the-receiver", batch=1)
            await one.write(Chain(), 2)
            await one.paused(webhook_id)
            shown = repr(await one.get(webhook_id))

    ours = [r.getMessage() for r in caplog.records if r.name.startswith("cairn")]
    assert any("given up after 2 attempts" in line for line in ours)
    for said in (*ours, caplog.text, shown):
        assert SECRET not in said
        assert SECRET.removeprefix("whsec_") not in said
    assert not any("of-the-receiver" in line for line in ours)


async def test_a_delivery_under_way_does_not_hold_up_who_lets_go(database_url: str) -> None:
    async with receiving() as receiver, desk(database_url, within=600.0, patience=0.05) as one:
        gate = asyncio.Event()
        receiver.answers = [Answer(200, gate=gate)]
        webhook_id = await one.webhook(receiver.url)
        await one.write(Chain(), 2)
        await receiver.until(lambda: receiver.arrived == 1)

        async with asyncio.timeout(60):
            await one.dispatcher.let_go()

        left = await one.get(webhook_id)
        assert (left.checkpoint, left.pinned, left.attempts) == (0, 2, 0)
        one.dispatcher = one.another()
        await one.dispatcher.round()
        await one.settled(webhook_id, 2)
        assert {message.id for message in receiver.received} == {receiver.received[0].id}
        gate.set()
        await receiver.until(lambda: len(receiver.messages) == 2)


async def test_a_secret_that_does_not_open_is_said_and_nothing_is_sent_unsigned(
    database_url: str,
) -> None:
    async with receiving() as receiver, desk(database_url) as one:
        webhook_id = await one.made(receiver.url)
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute("update webhooks set secret = 'sealed:v1:00000000:AAAA'")
        await one.write(Chain(), 1)
        await one.dispatcher.round()

        async def is_said() -> bool:
            return "sealed with a key" in ((await one.get(webhook_id)).last_error or "")

        await one.until(is_said)
        assert not receiver.messages
