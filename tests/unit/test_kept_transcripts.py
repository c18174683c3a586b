"""Reads that several clients make at the same time."""

import asyncio
import json
from random import Random
from uuid import UUID

import msgspec
import pytest

from api.composition.over_store import handler_over, repository_over, transcripts_over
from application.commands.request import Request
from application.errors import Overloaded
from application.fan_out import FanOut
from application.memory_budget import Share
from application.ports.store import Store
from application.reads.transcript import transcripts as transcripts_module
from application.reads.transcript.entry_json import changed_entries
from application.reads.transcript.folded_entries import FoldedEntries
from domain.session.commands import AddMessage, CreateSession, ReviseMessage
from domain.session.content.transcript_entries import Entry
from infrastructure.memory.store import MemoryStore
from infrastructure.records.codec import JsonCodec
from tests.support.builders import OWNER, SESSION_ID, text
from tests.support.stand_ins import StandIn


@pytest.fixture
async def store() -> Store:
    """A store with one session of nine messages, and another one."""
    store = MemoryStore()
    handler = handler_over(store, repository_over(store), FanOut())
    messages = [AddMessage(message_id=f"m{n}", role="user", parts=text()) for n in range(9)]
    for session_id in (SESSION_ID, UUID(int=1)):
        for command in (CreateSession(owner=OWNER), *messages):
            await handler.handle(Request(session_id=session_id, command=command, actor="user:ada"))
    return store


class Slow(StandIn):
    """A log whose reads take a while, as those of a database do."""

    def __init__(self, log) -> None:
        super().__init__(log)
        self.reads = 0

    async def read(self, *args, **kwargs):
        self.reads += 1
        await asyncio.sleep(0.001)
        return await self.before.read(*args, **kwargs)


def slow(store: Store) -> Slow:
    return Slow(store.log)


async def test_a_transcript_is_that_of_the_sequence_that_was_asked_for(store):
    transcripts = transcripts_over(store)

    lengths = [len(await transcripts.entries(SESSION_ID, at)) for at in (10, 5, 1, 10, 7)]

    assert lengths == [9, 4, 0, 9, 6]


async def test_readers_at_the_same_moment_each_get_the_transcript_of_their_own_sequence(store):
    slow(store)
    transcripts = transcripts_over(store)

    found = await asyncio.gather(*(transcripts.entries(SESSION_ID, at) for at in (10, 5, 8, 10, 5)))

    assert [len(entries) for entries in found] == [9, 4, 7, 9, 4]


async def test_what_was_handed_out_does_not_grow_under_its_reader(store):
    transcripts = transcripts_over(store)
    early = await transcripts.entries(SESSION_ID, 5)

    await transcripts.entries(SESSION_ID, 10)

    assert len(early) == 4


async def test_readers_of_one_transcript_fold_it_once(store):
    log = slow(store)
    transcripts = transcripts_over(store)

    await asyncio.gather(*(transcripts.entries(SESSION_ID, 10) for _ in range(5)))

    assert log.reads == 1


async def test_what_is_kept_is_counted_however_many_read_at_once(store):
    slow(store)
    share = Share("transcripts", 30_000)
    transcripts = transcripts_over(store, share=share)
    for _ in range(20):
        await asyncio.gather(
            *(transcripts.entries(session, 10) for session in (SESSION_ID, UUID(int=1)) * 3)
        )
        readers = [asyncio.create_task(transcripts.entries(SESSION_ID, 10)) for _ in range(3)]
        await asyncio.sleep(0)
        readers.append(asyncio.create_task(transcripts.entries(SESSION_ID, 10)))
        await asyncio.gather(*readers)

    assert share.used == sum(kept.memory for kept in transcripts._kept.values())


async def test_transcripts_that_are_too_large_to_keep_are_read_all_the_same(store):
    share = Share("transcripts", 1)
    transcripts = transcripts_over(store, share=share)

    for _ in range(3):
        assert len(await transcripts.entries(SESSION_ID, 10)) == 9
    assert (share.used, len(transcripts._kept)) == (0, 0)


async def test_of_transcripts_that_are_too_large_to_keep_one_is_folded_at_a_time(
    store, monkeypatch: pytest.MonkeyPatch
):
    """Who asks for another meanwhile is told to come again; nothing of it is still counted then."""
    monkeypatch.setattr(transcripts_module, "_PAGE", 2)
    slow(store)
    share = Share("transcripts", 1)
    transcripts = transcripts_over(store, share=share)
    for _ in range(2):
        first, second = await asyncio.gather(
            transcripts.entries(SESSION_ID, 10),
            transcripts.entries(UUID(int=1), 10),
            return_exceptions=True,
        )
        assert len(first) == 9
        assert isinstance(second, Overloaded)
        assert second.facts == {"share": "transcripts", "limit": 1}
        assert share.used == 0
    assert len(await transcripts.entries(UUID(int=1), 10)) == 9


async def test_a_page_of_a_long_transcript_is_read_without_folding_it_again() -> None:
    store, session = MemoryStore(), SESSION_ID
    handler = handler_over(store, repository_over(store), FanOut())
    long = text("hello " * 10_000)
    messages = [AddMessage(message_id=f"m{n}", role="user", parts=long) for n in range(400)]
    for command in (CreateSession(owner=OWNER), *messages):
        await handler.handle(Request(session_id=session, command=command, actor="user:ada"))
    # Less than half of what it says as it stands, and much more than that in small.
    share = Share("transcripts", 10 * 1024 * 1024)
    log = slow(store)
    transcripts = transcripts_over(store, share=share)
    entries = await transcripts.entries(session, 401)
    assert sum(map(len, entries)) > 2 * share.limit
    reads = log.reads

    for start in range(0, 400, 50):
        page = (await transcripts.entries(session, 401))[start : start + 50]
        assert [json.loads(entry)["id"] for entry in page] == [
            f"m{n}" for n in range(start, start + 50)
        ]

    assert log.reads == reads
    # What changes an entry far back is taken in without the rest.
    revised = ReviseMessage(message_id="m7", parts=text("short"))
    await handler.handle(Request(session_id=session, command=revised, actor="user:ada"))
    now = await transcripts.entries(session, 402)
    assert log.reads == reads + 1
    assert json.loads(now[7])["parts"] == [{"type": "text", "text": "short"}]
    assert json.loads(entries[7])["parts"] == [*long]
    assert (now[8:], now[-1]) == (entries[8:], entries[399])


@pytest.mark.parametrize("size", [10, 3_000, 200_000])
def test_entries_in_blocks_are_those_of_a_list(size: int) -> None:
    random = Random(size)
    folded, plain = FoldedEntries(JsonCodec()), list[Entry]()
    most = 5_000_000 // size if size > 10 else 5_000
    for number in range(most):
        entry: Entry = {"id": f"m{number}", "said": "ab\n" * random.randrange(size // 2)}
        folded.append(entry)
        plain.append(entry)
        if random.random() < 0.05:
            at = random.choice([-1, random.randrange(len(plain))])
            changed = {**folded[at], "revised": number}
            folded[at] = plain[at] = changed
    seen = folded.json()

    assert len(seen) == len(folded) == len(plain)
    assert [msgspec.json.decode(entry) for entry in seen] == plain == list(folded)
    for _ in range(20):
        at = random.randrange(len(plain))
        assert (folded[at], msgspec.json.decode(seen[at - len(plain)])) == (plain[at], plain[at])
        assert [*map(msgspec.json.decode, seen[at : at + 7])] == plain[at : at + 7]
    with pytest.raises(IndexError):
        seen[len(plain)]
    folded.clear()
    assert (len(folded), len(seen), folded.memory) == (0, len(plain), 0)


@pytest.mark.parametrize("size", [10, 2_000])
def test_entries_go_back_to_what_they_were_at_any_moment(size: int) -> None:
    random = Random(size)
    folded, plain = FoldedEntries(JsonCodec()), list[Entry]()
    past: dict[int, list[Entry]] = {}
    for sequence in range(1, 2_501):
        folded.sequence = sequence
        if random.random() < 0.6 or not plain:
            entry: Entry = {"id": f"m{sequence}", "said": "x" * random.randrange(size)}
            folded.append(entry)
            plain.append(entry)
        for _ in range(random.choice([0, 0, 1, 2])):
            # Mostly near the end, as calls return, and now and then far back.
            at = random.choice([-1, max(-5, -len(plain)), random.randrange(len(plain))])
            folded[at] = plain[at] = {**folded[at], "changed": random.random()}
        if sequence % 50 == 0:
            past[sequence] = list(plain)
    known = {one: seen for one in past if (seen := folded.json_at(one)) is not None}
    assert 2_500 in known
    # The past takes no more room than there is, so the oldest may be forgotten.
    assert len(known) == len(past) if size == 10 else len(known) > 5
    for sequence, seen in known.items():
        assert [msgspec.json.decode(entry) for entry in seen] == past[sequence]
        assert [msgspec.json.decode(one) for one in seen[:]] == past[sequence]
    earlier, later = known[2_000], known[2_500]
    changed = changed_entries(earlier, later)
    alike = set(earlier) & set(later)
    for runs, entries, whole in (
        (changed.only_mine, changed.mine, earlier),
        (changed.only_theirs, changed.theirs, later),
    ):
        alone = [one for run in runs for one in run.entries()]
        assert sorted(alone + entries) == sorted(one for one in whole if one not in alike)
    for entries in (earlier, later):
        assert msgspec.json.decode(b"[%s]" % b"".join(entries.array_pieces())) == [
            *map(msgspec.json.decode, entries)
        ]
    folded.begin(2_500)
    assert (folded.json_at(2_499), folded.json_at(2_500)) == (None, later)
