"""The commands of a session, one after the other; `tests/property` sends everything else."""

import asyncio
import gc
from copy import deepcopy
from dataclasses import fields
from typing import Any
from uuid import UUID

import pytest

from api.composition.over_store import handler_over, repository_over
from application.commands.decide_batch import BatchDecider
from application.commands.handler import CommandHandler
from application.commands.request import Idempotency, Outcome, Request
from application.commands.session_queue import PendingCommand, QueueLimits
from application.errors import (
    Busy,
    IdempotencyKeyInFlight,
    IdempotencyKeyReused,
    RecordTooLarge,
    StaleSequence,
    StoreUnavailable,
)
from application.fan_out import FanOut
from application.memory_budget import Share
from application.ports.log.append import Append
from application.ports.log.event_log import EventLog
from application.ports.store import Store
from domain.access.events import ACCESS_LOG
from domain.errors import CairnError, SessionExists, TurnNotFound
from domain.session import events as e
from domain.session.commands import (
    AddMessage,
    Command,
    CreateSession,
    RecordActivity,
    RecordUsage,
    ResumeSession,
    SpawnSession,
    StartTurn,
    StopSession,
)
from domain.timers import Timers
from domain.values import Agent
from infrastructure.memory.store import MemoryStore
from infrastructure.memory.tables import Tables
from tests.support.builders import OWNER, SESSION_ID, called, text
from tests.support.in_memory_app import lone_handler
from tests.support.stand_ins import StandIn

NIL = UUID(int=0)
NOTICE = e.RuntimeNotice(level="info", text="hm")
NOTE = RecordActivity(turn_id="t1", events=(NOTICE,))


@pytest.fixture
def store() -> Store:
    return MemoryStore()


class Held(StandIn):
    """A log that writes only when it is let, and whatever becomes of the one who asked."""

    def __init__(self, log: EventLog) -> None:
        super().__init__(log)
        self.open = asyncio.Event()
        self.open.set()
        self.asked = 0

    async def append(self, append: Append) -> int:
        async def write() -> int:
            await self.open.wait()
            return await self.before.append(append)

        self.asked += 1
        return await asyncio.shield(asyncio.create_task(write()))


@pytest.fixture
def held(store: Store) -> Held:
    return Held(store.log)


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.fixture
def handler(store: Store) -> CommandHandler:
    return lone_handler(store)


def ask(command: Command, key: str | None = None, **fields: Any) -> Request:
    idempotency = Idempotency(scope=SESSION_ID, key=key, fingerprint=b"f" * 32) if key else None
    given = {"session_id": SESSION_ID, "actor": "user:ada", "idempotency": idempotency}
    return Request(command=command, **given | fields)


def message(message_id: str = "m1", content: str = "hello") -> AddMessage:
    return AddMessage(message_id=message_id, role="user", parts=text(content))


async def begin(handler: CommandHandler, *commands: Command) -> None:
    for command in (CreateSession(owner=OWNER), *commands):
        await handler.handle(ask(command))


START = StartTurn(turn_id="t1", message_id="input", parts=text())


async def types(store: Store, session_id: UUID = SESSION_ID) -> list[str]:
    return [event.type for event in await store.log.read(session_id, limit=100)]


async def test_an_accepted_command_is_in_the_log_when_it_is_answered(store, handler):
    outcome = await handler.handle(ask(CreateSession(owner=OWNER)))

    assert outcome == Outcome(SESSION_ID, 1, 1, 1, outcome.answer)
    assert outcome.answer["session"]["id"] == SESSION_ID
    assert outcome.changed
    assert await types(store) == ["session.created"]


async def test_a_refused_command_leaves_no_trace(store, handler):
    with pytest.raises(CairnError):
        await handler.handle(ask(message(), key="k"))

    assert await types(store) == []
    assert await store.idempotency_keys.answer(SESSION_ID, "k") is None


async def test_commands_that_wait_together_are_accepted_or_refused_one_by_one(store, handler):
    await begin(handler)

    answers = await asyncio.gather(
        *(handler.handle(ask(message(name))) for name in ("m1", "m1", "", "m2")),
        return_exceptions=True,
    )

    assert [getattr(answer, "sequence", type(answer).__name__) for answer in answers] == [
        2, "MessageExists", "Invalid", 3,
    ]  # fmt: skip


async def test_a_record_that_is_too_large_takes_the_whole_command_with_it(store):
    handler = lone_handler(store, largest=1000)
    await begin(handler, START)
    large = e.RuntimeNotice(level="info", text="x" * 1000)

    with pytest.raises(RecordTooLarge) as refusal:
        await handler.handle(ask(RecordActivity(turn_id="t1", events=(NOTICE, large))))

    assert refusal.value.facts["limit"] == 1000
    assert await types(store) == ["session.created", "turn.started"]


CALLS = [f"c{number}" for number in range(2_000)]


async def leave_open(handler: CommandHandler) -> None:
    await begin(handler, StartTurn(turn_id="t1", message_id="m1", parts=text()))
    for some in (CALLS[:1_000], CALLS[1_000:]):
        activity = RecordActivity(turn_id="t1", events=tuple(map(called, some)))
        await handler.handle(ask(activity))


async def test_others_have_their_turns_while_thousands_of_calls_are_closed(handler):
    await leave_open(handler)
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    outcome = await handler.handle(ask(StopSession(cause="process_exited")))
    task.cancel()

    assert outcome.sequence - outcome.first_sequence == len(CALLS) + 1
    assert turns > 10


async def test_nobody_is_told_that_nothing_was_stored_while_it_is_decided(store, handler):
    await leave_open(handler)
    loaded = await repository_over(store).refresh(SESSION_ID)
    decider = BatchDecider(
        store.codec, store.clock, largest=1_000, largest_state=10_000_000, timers=Timers()
    )
    done = asyncio.get_running_loop().create_future()
    pending = PendingCommand(ask(StopSession(cause="process_exited")), done)

    deciding = asyncio.create_task(decider.decide(SESSION_ID, loaded, [pending]))
    await asyncio.sleep(0)
    pending.give_up()
    assert not deciding.done()
    decided = await deciding

    assert len(decided.append.events) == len(CALLS) + 2
    assert not done.done()


async def test_only_so_many_commands_wait_for_one_session(store):
    handler = lone_handler(store, waiting=QueueLimits(commands=2))
    await begin(handler)

    answers = await asyncio.gather(
        *(handler.handle(ask(message(f"m{n}"))) for n in range(4)), return_exceptions=True
    )

    assert [type(answer) for answer in answers] == [Outcome, Outcome, Outcome, Busy]


async def test_a_client_that_hangs_up_does_not_end_what_others_wait_for(store, handler):
    await begin(handler)
    gone, stays = (asyncio.create_task(handler.handle(ask(message(m)))) for m in ("m1", "m2"))
    await asyncio.sleep(0)

    gone.cancel()

    assert (await stays).sequence in (2, 3)
    assert gone.cancelled()


async def test_a_command_is_decided_again_on_what_another_process_wrote(store, handler):
    other = lone_handler(store)
    await begin(handler, message("m1"))
    await other.handle(ask(message("m2")))

    outcome = await handler.handle(ask(message("m3")))

    assert (outcome.first_sequence, outcome.sequence) == (4, 4)


async def test_the_same_key_gives_the_first_answer(store, handler):
    await begin(handler, START)
    usage = RecordUsage(mode="add", input_tokens=3)
    first = await handler.handle(ask(usage, key="k"))
    await handler.handle(ask(usage))

    again = await handler.handle(ask(usage, key="k"))

    assert first.answer["usage"]["input_tokens"] == 3
    assert store.codec.to_json(again.answer) == store.codec.to_json(first.answer)
    assert (again.sequence, again.position, again.replayed) == (3, first.position, True)
    assert len(await types(store)) == 4


async def test_a_key_belongs_to_one_request(store, handler):
    await begin(handler, START)
    await handler.handle(ask(NOTE, key="k"))
    other = Idempotency(scope=SESSION_ID, key="k", fingerprint=b"other")

    with pytest.raises(IdempotencyKeyReused):
        await handler.handle(ask(message(), idempotency=other))


async def test_a_key_is_used_by_one_request_at_a_time(handler):
    await begin(handler, START)

    answers = await asyncio.gather(
        *(handler.handle(ask(NOTE, key="k")) for _ in range(2)), return_exceptions=True
    )

    assert [type(answer) for answer in answers] == [Outcome, IdempotencyKeyInFlight]


async def test_creating_again_with_the_same_key_gives_the_first_session(store, handler):
    once = Idempotency(scope=NIL, key="k", fingerprint=b"f")
    first = await handler.handle(ask(CreateSession(owner=OWNER), idempotency=once))

    again = await handler.handle(
        ask(CreateSession(owner=OWNER), idempotency=once, session_id=UUID(int=5))
    )

    assert (again.session_id, again.sequence) == (first.session_id, 1)
    assert await types(store, UUID(int=5)) == []


async def test_a_command_is_refused_only_by_the_newest_state(store):
    here, there = lone_handler(store), lone_handler(store)
    await begin(here)
    await there.handle(ask(message()))
    await here.handle(ask(START))

    outcome = await there.handle(ask(NOTE))

    assert outcome.sequence == 4


async def test_only_the_newest_state_can_say_that_it_is_already_so(store):
    here, there = lone_handler(store), lone_handler(store)
    await begin(here)
    await there.handle(ask(StopSession()))
    await here.handle(ask(ResumeSession()))

    outcome = await there.handle(ask(StopSession()))

    assert outcome.changed
    assert (await types(store))[-1] == "session.stopped"


async def test_an_if_match_is_held_against_the_newest_sequence(store):
    here, there = lone_handler(store), lone_handler(store)
    await begin(here)
    await there.handle(ask(message("m1")))
    seen = await here.handle(ask(message("m2")))

    outcome = await there.handle(ask(message("m3"), expected=frozenset({seen.sequence})))

    assert outcome.sequence == seen.sequence + 1


async def while_another_is_written(
    handler: CommandHandler, held: Held, *requests: Request
) -> list[Any]:
    """Return the answers of requests that come while another one is being written."""
    held.open.clear()
    tasks = [
        asyncio.create_task(handler.handle(request))
        for request in (ask(message("the one before")), *requests)
    ]
    await settle()
    held.open.set()
    return (await asyncio.gather(*tasks, return_exceptions=True))[1:]


async def test_an_if_match_that_is_behind_writes_nothing(store, handler, held):
    await begin(handler)
    behind = [ask(message(name), expected=frozenset({2})) for name in ("m1", "m2")]

    # Both wait together: the second one is decided on what the first one leaves.
    first, second = await while_another_is_written(handler, held, *behind)

    assert first.sequence == 3
    assert isinstance(second, StaleSequence)
    assert second.facts["head"] == 3
    with pytest.raises(StaleSequence):
        await handler.handle(behind[1])
    assert (await types(store))[1:] == ["message.added"] * 2


async def test_what_is_already_so_has_the_position_of_the_last_event_of_its_session(handler, held):
    await begin(handler)
    for n in range(1, 4):
        await handler.handle(ask(CreateSession(owner=OWNER), session_id=UUID(int=n)))
    await handler.handle(ask(message("m1")))
    await handler.handle(ask(CreateSession(owner=OWNER), session_id=UUID(int=4)))

    nothing, something = await asyncio.gather(
        handler.handle(ask(ResumeSession())), handler.handle(ask(message("m2")))
    )
    assert (nothing.changed, nothing.sequence, nothing.position) == (False, 2, 5)
    assert (something.sequence, something.position) == (3, 7)

    held.open.clear()
    before = asyncio.create_task(handler.handle(ask(message("m3"))))
    await settle()
    together = [
        asyncio.create_task(handler.handle(ask(command)))
        for command in (ResumeSession(), message("m4"))
    ]
    elsewhere = asyncio.create_task(
        handler.handle(ask(CreateSession(owner=OWNER), session_id=UUID(int=5)))
    )
    await settle()
    held.open.set()
    await asyncio.gather(before, elsewhere)
    nothing, something = await asyncio.gather(*together)
    assert (nothing.changed, nothing.sequence) == (False, 4)
    assert nothing.position == before.result().position


async def test_a_client_that_hangs_up_while_it_waits_and_asks_again_is_recorded_once(
    store, handler, held
):
    await begin(handler, START)
    held.open.clear()
    before = asyncio.create_task(handler.handle(ask(message("the one before"))))
    await settle()
    gone = asyncio.create_task(handler.handle(ask(NOTE, key="k")))
    await settle()
    gone.cancel()
    await settle()
    again = asyncio.create_task(handler.handle(ask(NOTE, key="k")))
    await settle()
    held.open.set()

    await asyncio.gather(before, again)
    assert (await types(store)).count("runtime.notice") == 1


async def test_a_client_that_hangs_up_while_it_is_written_is_recorded_once(store, handler, held):
    await begin(handler, START)
    held.open.clear()
    gone = asyncio.create_task(handler.handle(ask(NOTE)))
    await settle()
    gone.cancel()
    await settle()
    held.open.set()
    await settle()

    held.asked = 0
    await handler.handle(ask(message()))
    assert (await types(store)).count("runtime.notice") == 1
    # What was in memory is not what the log has come to: the next one is not decided on it.
    assert held.asked == 1


async def test_what_cannot_be_written_is_the_answer_of_its_own_command_only(handler, held):
    await begin(handler)

    broken, sound = await while_another_is_written(
        handler, held, ask(message("m1", "half a surrogate: \ud800")), ask(message("m2"))
    )

    assert isinstance(broken, Exception)
    assert isinstance(sound, Outcome)


def spawn(child_id: UUID) -> SpawnSession:
    return SpawnSession(
        parent_id=SESSION_ID, child_id=child_id, agent=Agent(name="helper"), ttl_seconds=60
    )


async def test_a_child_that_would_have_the_id_of_the_log_of_accesses_is_refused_alone(
    handler, held
):
    await begin(handler)

    before, spawned, after = await while_another_is_written(
        handler, held, ask(message("m1")), ask(spawn(ACCESS_LOG)), ask(message("m2"))
    )

    assert isinstance(spawned, SessionExists)
    assert (before.sequence, after.sequence) == (3, 4)


async def test_the_error_of_a_caller_who_leaves_once_it_is_known_is_taken(store, handler):
    unheard: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unheard.append(context))
    await begin(handler)
    await handler.handle(ask(CreateSession(owner=OWNER), session_id=UUID(int=1)))
    may_read = asyncio.Event()

    class Slow(StandIn):
        async def read(self, *given: Any, **more: Any) -> Any:
            await may_read.wait()
            return await self.before.read(*given, **more)

    Slow(store.log)
    # That the id is taken is known before the log is looked at again.
    leaves = asyncio.create_task(handler.handle(ask(spawn(UUID(int=1)))))
    await settle()
    leaves.cancel()
    await settle()

    assert leaves.cancelled()
    del leaves
    gc.collect()
    assert not unheard


async def test_what_is_known_of_a_session_is_read_again_after_a_write_that_failed():
    """A database that comes back, or the standby in its place, may have less than it had."""
    tables = Tables()
    store = MemoryStore(tables=tables)
    handler = lone_handler(store)
    await begin(handler)
    standby = deepcopy(tables)
    await handler.handle(ask(message("lost")))

    class GoesOver(StandIn):
        async def append(self, append: Append) -> int:
            for column in fields(Tables):
                setattr(tables, column.name, getattr(standby, column.name))
            self.step_aside()
            raise StoreUnavailable

    GoesOver(store.log)
    with pytest.raises(StoreUnavailable):
        await handler.handle(ask(message("refused")))

    assert (await handler.handle(ask(message()))).sequence == 2
    assert await types(store) == ["session.created", "message.added"]


async def test_the_state_of_a_session_is_found_again_after_it_was_forgotten(store):
    handler = handler_over(store, repository_over(store, share=Share("states", 1)), FanOut())
    await begin(handler, START)
    await handler.handle(ask(CreateSession(owner=OWNER), session_id=UUID(int=1)))

    with pytest.raises(TurnNotFound):
        await handler.handle(ask(RecordActivity(turn_id="t2", events=(NOTICE,))))
    assert (await handler.handle(ask(NOTE))).sequence == 3


async def test_the_state_at_a_past_sequence_can_be_loaded(store, handler):
    await begin(handler, START, NOTE)
    repository = repository_over(store)

    then = await repository.load_at(SESSION_ID, 1)

    assert (then.session.sequence, then.position, then.session.status) == (1, 1, "idle")
    assert (await repository.load(SESSION_ID)).session.status == "running"
