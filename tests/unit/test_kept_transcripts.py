"""Reads that several clients make at the same time."""

import asyncio
from uuid import UUID

import pytest

from application.commands.handler import CommandHandler
from application.commands.repository import SessionRepository
from application.commands.request import Request
from application.fan_out import FanOut
from application.memory_budget import Share
from application.ports.store import Store
from application.reads.transcripts import Transcripts
from domain.session.commands import AddMessage, CreateSession
from infrastructure.memory.store import MemoryStore
from tests.support.builders import OWNER, SESSION_ID, text


@pytest.fixture
async def store() -> Store:
    """A store with one session of nine messages, and another one."""
    store = MemoryStore()
    handler = CommandHandler(store, SessionRepository(store), FanOut())
    messages = [AddMessage(message_id=f"m{n}", role="user", parts=text()) for n in range(9)]
    for session_id in (SESSION_ID, UUID(int=1)):
        for command in (CreateSession(owner=OWNER), *messages):
            await handler.handle(Request(session_id=session_id, command=command, actor="user:ada"))
    return store


class Slow:
    """A log whose reads take a while, as those of a database do."""

    def __init__(self, log) -> None:
        self._log = log
        self.reads = 0

    async def read(self, *args, **kwargs):
        self.reads += 1
        await asyncio.sleep(0.001)
        return await self._log.read(*args, **kwargs)


def slow(store: Store) -> Slow:
    log = Slow(store.log)
    object.__setattr__(store, "log", log)
    return log


async def test_a_transcript_is_that_of_the_sequence_that_was_asked_for(store):
    transcripts = Transcripts(store)

    lengths = [len(await transcripts.entries(SESSION_ID, at)) for at in (10, 5, 1, 10, 7)]

    assert lengths == [9, 4, 0, 9, 6]


async def test_readers_at_the_same_moment_each_get_the_transcript_of_their_own_sequence(store):
    slow(store)
    transcripts = Transcripts(store)

    found = await asyncio.gather(*(transcripts.entries(SESSION_ID, at) for at in (10, 5, 8, 10, 5)))

    assert [len(entries) for entries in found] == [9, 4, 7, 9, 4]


async def test_what_was_handed_out_does_not_grow_under_its_reader(store):
    transcripts = Transcripts(store)
    early = await transcripts.entries(SESSION_ID, 5)

    await transcripts.entries(SESSION_ID, 10)

    assert len(early) == 4


async def test_readers_of_one_transcript_fold_it_once(store):
    log = slow(store)
    transcripts = Transcripts(store)

    await asyncio.gather(*(transcripts.entries(SESSION_ID, 10) for _ in range(5)))

    assert log.reads == 1


async def test_what_is_kept_is_counted_however_many_read_at_once(store):
    slow(store)
    share = Share("transcripts", 30_000)
    transcripts = Transcripts(store, share=share)
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
    transcripts = Transcripts(store, share=share)

    for _ in range(3):
        assert len(await transcripts.entries(SESSION_ID, 10)) == 9
    assert (share.used, len(transcripts._kept)) == (0, 0)
