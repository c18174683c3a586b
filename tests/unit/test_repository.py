"""States and transcripts of forks of forks, and of conversations that went back many times."""

import asyncio
from uuid import UUID

import pytest

from api.composition.over_store import handler_over, queries_over, repository_over, transcripts_over
from api.composition.use_cases import forks_over
from application.commands import repository
from application.commands.request import Request
from application.commands.states import kept_states
from application.fan_out import FanOut
from application.memory_budget import Share
from application.ports.log.append import Append
from application.ports.log.events import NewEvent
from application.ports.store import Store
from domain.log.chain import link, record_hash
from domain.session import commands as c
from domain.session.content.conversation import rewind_to
from domain.session.state import Session
from infrastructure.memory.store import MemoryStore
from tests.support.builders import OWNER, at, text
from tests.support.stand_ins import StandIn

ROOT = UUID(int=1)
LINE = 1200
"""More than calls can be nested."""


class Process:
    def __init__(self, store: Store) -> None:
        self.store = store
        self.repository = repository_over(store, share=Share("states", 1))
        self.handler = handler_over(store, self.repository, FanOut())
        self.queries = queries_over(store, self.repository, transcripts_over(store))
        self.forks = forks_over(store, self.repository, self.handler, self.queries)

    async def ask(self, session_id: UUID, command: c.Command, **rest: object) -> None:
        request = Request(session_id, command, actor="user:ada", **rest)  # type: ignore[arg-type]
        await self.handler.handle(request)

    async def say(self, session_id: UUID, message_id: str) -> None:
        await self.ask(session_id, c.AddMessage(message_id=message_id, role="user", parts=text()))

    async def rewind(self, session_id: UUID, to: int) -> None:
        then = await self.forks.state_at(session_id, to)
        await self.ask(session_id, rewind_to(to, then))

    async def messages(self, session_id: UUID) -> list[str]:
        snapshot = await self.queries.snapshot(session_id)
        return [self.store.codec.from_json(entry)["id"] for entry in snapshot.transcript]


class Counting(StandIn):
    """A log that counts the events read from it."""

    def __init__(self, store: Store) -> None:
        super().__init__(store.log)
        self.events = 0

    async def read(self, *args: object, **kwargs: object) -> object:
        page = await self.before.read(*args, **kwargs)
        self.events += len(page)
        return page


@pytest.fixture
async def process() -> Process:
    made = Process(MemoryStore())
    await made.ask(ROOT, c.CreateSession(owner=OWNER, state={"root": True}))
    await made.say(ROOT, "m1")
    return made


async def line_of_forks(process: Process, length: int, *, kept: bool = True) -> UUID:
    session_id = ROOT
    for number in range(2, length + 2):
        wanted = c.CreateSession(owner=OWNER)
        command, inherits = await process.forks.forked(session_id, None, wanted)
        session_id = UUID(int=number)
        await process.ask(session_id, command, inherits=inherits)
        if number % 400 == 0:
            await process.say(session_id, f"m{number}")
    if not kept:
        process.store.snapshots._kept.clear()  # type: ignore[attr-defined]
    return session_id


async def test_a_cold_fork_of_forks_is_loaded_from_a_state_that_is_kept_nearby(process):
    last = await line_of_forks(process, 100)

    loaded = await repository_over(process.store).refresh(last)

    assert loaded.origins <= 17
    assert dict(loaded.session.state) == {"root": True}


async def test_a_line_of_forks_longer_than_calls_can_be_nested(process):
    last = await line_of_forks(process, LINE, kept=False)

    cold = Process(process.store)
    loaded = await repository_over(process.store).refresh(last)

    assert loaded.origins == LINE
    assert loaded.session == (await process.repository.load(last)).session
    assert dict(loaded.session.state) == {"root": True}
    assert await cold.messages(last) == ["m1", "m400", "m800", "m1200"]


async def test_a_conversation_that_goes_back_again_and_again_is_folded_along_what_counts(process):
    for number in range(40):
        await process.say(ROOT, f"n{number}")
        head = (await process.repository.load(ROOT)).session.sequence
        # Each time to the rewind before, which went back itself.
        await process.rewind(ROOT, head - 1 if number else 2)
    await process.say(ROOT, "last")

    cold = Process(process.store)
    log = Counting(process.store)
    entries = await transcripts_over(process.store).entries(
        ROOT, (await cold.repository.load(ROOT)).session.sequence
    )

    assert [process.store.codec.from_json(one)["id"] for one in entries] == ["m1", "last"]
    assert log.events < 1000


async def test_what_was_read_before_a_rewind_is_not_what_is_read_after_it(process):
    await process.say(ROOT, "m2")
    assert await process.messages(ROOT) == ["m1", "m2"]

    await process.rewind(ROOT, 2)

    assert await process.messages(ROOT) == ["m1"]
    await process.say(ROOT, "m3")
    assert await process.messages(ROOT) == ["m1", "m3"]


@pytest.mark.parametrize("past", [False, True], ids=["newest", "past"])
async def test_what_a_read_had_to_fold_is_kept_for_the_next_one(process, monkeypatch, past):
    for number in range(60):
        await process.say(ROOT, f"n{number}")
    monkeypatch.setattr(kept_states, "KEPT_EVERY", 20)
    read = Counting(process.store)

    async def cold() -> Session:
        repository = repository_over(process.store)
        loaded = await (repository.load_at(ROOT, 50) if past else repository.load(ROOT))
        return loaded.session

    first = await cold()
    assert read.events >= 50
    read.events = 0
    assert await cold() == first
    assert read.events <= 2


async def test_a_state_that_lacks_what_a_newer_program_wrote_is_not_kept(process, monkeypatch):
    monkeypatch.setattr(kept_states, "KEPT_EVERY", 20)
    log = process.store.log
    last = (await log.read(ROOT, after=1, limit=1))[0]
    ours = b'"type":"message.added"'
    newer = last.record.replace(ours, b'"type":"message.weighed"')
    digest = link(last.digest, record_hash(newer))
    await log.append(Append(ROOT, 2, [NewEvent("message.weighed", newer, digest)], at(3)))

    for number in range(40):
        await process.say(ROOT, f"n{number}")
    await asyncio.gather(*process.handler._chores)
    loaded = await repository_over(process.store).load(ROOT)

    assert loaded.session.unrecognised == 3
    assert await process.store.snapshots.load(ROOT) is None


async def test_moments_near_each_other_are_not_folded_far(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repository, "EVERY", 8)
    process, share = Process(MemoryStore()), Share("states", 1024 * 1024)
    process.repository = repository_over(process.store, share=share)
    await process.ask(ROOT, c.CreateSession(owner=OWNER))
    for number in range(60):
        await process.ask(ROOT, c.PatchState(set={"n": number}))
    fresh = {n: await repository_over(process.store).load_at(ROOT, n) for n in range(1, 62)}
    assert [(await process.repository.load_at(ROOT, n)).session for n in (61, 9, 30, 8)] == [
        fresh[n].session for n in (61, 9, 30, 8)
    ]
    counting = Counting(process.store)
    for sequence, there in fresh.items():
        found = await process.repository.load_at(ROOT, sequence)
        assert (found.session, found.digest, found.position) == (
            there.session, there.digest, there.position,
        )  # fmt: skip
    # Each from at most seven events before it, whose own event is read for its digest.
    assert counting.events <= 61 * 8
    assert share.used > 0
    process.repository.forget(ROOT)
    assert share.used == 0
