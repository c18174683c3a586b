"""Whoever leaves, whatever fails, whoever else writes: each command is done once, or not at all.

Two processes over one store are asked to do things to two sessions. Their callers leave at any
moment and ask again with the same key or the same signature; the database is slow, fails before it
has written or after that; another process is first. What is acknowledged is in the log once, in the
order in which it was asked; what was refused, or left before it was on its way, is not.
"""

import asyncio
import gc
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, fields
from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from api.composition.over_store import handler_over, repository_over
from application.commands.request import Idempotency, Outcome, Request
from application.commands.session_queue import QueueLimits
from application.errors import (
    Busy,
    IdempotencyKeyInFlight,
    OutcomeUnknown,
    ReceivedBefore,
    StateTooLarge,
    StoreUnavailable,
)
from application.fan_out import Channel, FanOut
from application.memory_budget import Share
from application.ports.access.seen_signatures import SignedRequest
from application.ports.log.append import Append
from application.ports.log.events import StoredEvent
from application.ports.store import Store
from application.tasks import take_error
from domain.errors import CairnError, MessageExists, SessionExists, SpawnLimit
from domain.session import commands as c
from domain.session.evolve import evolve
from domain.session.state import ABSENT
from domain.values import Agent, SessionLimits
from infrastructure.memory.store import MemoryStore
from infrastructure.memory.tables import Tables
from infrastructure.records.state_codec import encode_state
from tests.property.effort import attempts, examples
from tests.support.builders import NOON, OWNER, text

SESSIONS = [UUID(int=1), UUID(int=2)]
CHILDREN = [UUID(int=11), UUID(int=12), SESSIONS[0]]
LARGEST_STATE = 12_000
OVER = 17 / 16
"""What a state may come to when a sixteenth of it was not weighed."""
EMPTY = 1_100
"""A little more than the names of the fields of a state come to, which are not counted."""
VALUE = 4_000
TURNS = 8
LATER = NOON + timedelta(days=36_500)

REFUSALS = {
    Busy,
    IdempotencyKeyInFlight,
    MessageExists,
    OutcomeUnknown,
    ReceivedBefore,
    SessionExists,
    SpawnLimit,
    StateTooLarge,
    StoreUnavailable,
}
MUST_HAPPEN = (
    *(kind.__name__ for kind in REFUSALS - {SpawnLimit}),
    *("VersionConflict", "KeysTaken", "SignaturesSeen", "together", "replayed"),
    *("left while it waited", "unknown, and stored", "unknown, and not stored"),
)

APPENDS = ("well", "slow", "sent", "refused", "unwritten", "unheard")
READS = ("well", "slow", "failing")
STEPS = ("ask", "again", "leave", "turn", "forget")
WHAT = ("say", "say again", "set", "take", "spawn")
_TICK = 0.001


class Loop(asyncio.SelectorEventLoop):
    """A loop whose time goes on only when somebody looks at it, the same in each run."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0

    def time(self) -> float:
        self._now += _TICK
        return self._now


async def turn(times: int) -> None:
    for _ in range(times):
        await asyncio.sleep(0)


class Database:
    """The store of both processes, which does to each question what was drawn for it."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        # Some schedules are quiet, others wild.
        self._appends = [
            chance.choice((1, 2, 10)),
            *(chance.choice((0, 1, 1)) for _ in APPENDS[1:]),
        ]
        self._reads = [chance.choice((1, 3, 10)), *(chance.choice((0, 1, 1)) for _ in READS[1:])]
        self.tables = Tables()
        self.whole = MemoryStore(tables=self.tables)
        self.on_its_way: Counter[bytes] = Counter()
        self.met: Counter[str] = Counter()
        self.tasks: set[asyncio.Task[int]] = set()
        kept = {one.name: getattr(self.whole, one.name) for one in fields(Store)}
        for name, questions in {
            "log": ("read", "read_newest"),
            "session_rows": ("session",),
            "idempotency_keys": ("answer",),
            "snapshots": ("load", "save"),
        }.items():
            kept[name] = _Port(kept[name], questions, self._ask)
        kept["log"].append = self._append
        self.store = Store(**kept)

    async def _ask(self, question: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        (fate,) = self._chance.choices(READS, self._reads)
        if fate == "slow":
            await turn(TURNS)
        if fate == "failing":
            await turn(2)
            raise StoreUnavailable
        return await question()

    async def _append(self, append: Append) -> int:
        (fate,) = self._chance.choices(APPENDS, self._appends)
        if fate == "refused":
            await turn(1)
            raise StoreUnavailable
        if fate == "unwritten":
            await turn(1)
            raise OutcomeUnknown
        self.met["together"] += len(append.events) > 1
        records = [event.record for one in append.streams for event in one.events]
        self.on_its_way.update(records)
        try:
            if fate == "slow":
                # It waits for another one, and is left out when whoever asked leaves.
                await turn(TURNS)
            self.on_its_way.update(records)
            written = asyncio.create_task(self._write(append, records, TURNS * (fate == "sent")))
            written.add_done_callback(take_error)
            self.tasks.add(written)
            position = await asyncio.shield(written)
        finally:
            self.on_its_way.subtract(records)
        if fate == "unheard":
            raise OutcomeUnknown
        return position

    async def _write(self, append: Append, records: Sequence[bytes], turns: int) -> int:
        try:
            await turn(turns)
            return await self.whole.log.append(append)
        except CairnError as conflict:
            self.met[type(conflict).__name__] += 1
            raise
        finally:
            self.on_its_way.subtract(records)

    def has(self, mark: bytes) -> bool:
        """Return whether what has a mark is stored, or on its way."""
        sent = (record for record, many in self.on_its_way.items() if many > 0)
        stored = (event.record for event in self.tables.events)
        return any(mark in record for record in (*sent, *stored))

    async def events(self, session_id: UUID) -> Sequence[StoredEvent]:
        return await self.whole.log.read(session_id, limit=10_000)


class _Port:
    """A part of the store, some of whose questions go through `ask`."""

    def __init__(self, port: Any, questions: Sequence[str], ask: Any) -> None:
        self._port = port
        for name in questions:
            setattr(self, name, self._asking(getattr(port, name), ask))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._port, name)

    @staticmethod
    def _asking(question: Any, ask: Any) -> Any:
        async def asked(*values: Any, **named: Any) -> Any:
            return await ask(lambda: question(*values, **named))

        return asked


class Process:
    """What one server process has in memory."""

    def __init__(self, store: Store, memory: int, patience: float) -> None:
        self.share, self.fan_out = Share("states", memory), FanOut()
        self.followed: dict[UUID, Channel] = {}
        self.repository = repository_over(store, share=self.share)
        limits = QueueLimits(commands=6, together=4, patience=patience)
        self.handler = handler_over(
            store,
            self.repository,
            self.fan_out,
            waiting=limits,
            largest_state=LARGEST_STATE,
        )

    @property
    def chores(self) -> list[asyncio.Task[Any]]:
        """What goes on though nobody waits for it."""
        return [*self.handler._chores, *self.repository._states._weighing.values()]

    def check_that_nothing_is_left(self) -> None:
        handler = self.handler
        assert not handler._queues
        assert not handler._chores
        assert not handler._signed
        assert not handler._answers._in_flight
        kept = self.repository._states._states.values()
        assert all(one.memory > 0 for one in kept)
        assert self.share.used == sum(one.memory for one in kept)
        for one in kept:
            assert len(encode_state(one.session)) <= one.weight + EMPTY


@dataclass(eq=False)
class Asked:
    """A request that was sent, and what becomes of it; `mark` is in its events only."""

    request: Request
    task: asyncio.Task[Outcome]
    mark: str
    process: Process
    has_left: bool = False
    may_be_stored: bool = True
    """Of one whose caller has left: whether it was on its way by then."""

    @property
    def error(self) -> BaseException | None:
        return None if self.task.cancelled() else self.task.exception()

    @property
    def outcome(self) -> Outcome | None:
        return None if self.task.cancelled() or self.error else self.task.result()


@dataclass
class World:
    """Two processes over one database, and all that was asked of them."""

    database: Database
    processes: list[Process]
    chance: Random
    asked: list[Asked] = field(default_factory=list[Asked])

    async def play(self) -> None:
        """Have callers come, leave and come again, in an order of chance."""
        chance = self.chance
        for step in chance.choices(STEPS, (6, 2, 2, 3, 0.5), k=chance.randrange(20, 100)):
            process = chance.choice(self.processes)
            match step:
                case "ask":
                    self.send(process, *self.request())
                case "again":
                    self.send_again(process)
                case "leave":
                    self.leave()
                case "turn":
                    await turn(chance.randrange(1, TURNS))
                case _:
                    process.repository.forget(chance.choice(SESSIONS))
        tasks = [asked.task for asked in self.asked]
        if tasks:
            _, stuck = await asyncio.wait(tasks, timeout=60)
            assert not stuck
        while chores := [one for process in self.processes for one in process.chores]:
            await asyncio.wait(chores)
        await asyncio.gather(*self.database.tasks, return_exceptions=True)

    def request(self) -> tuple[Request, str]:
        """Return something new to ask, and the mark of its events."""
        chance, number = self.chance, len(self.asked)
        session_id, mark = chance.choice(SESSIONS), f"<{number}>"
        match chance.choices(WHAT, (4, 1, 3, 1, 1))[0]:
            case "say":
                command: c.Command = c.AddMessage(message_id=mark, role="user", parts=text())
            case "say again":
                command = c.AddMessage(message_id="the same", role="user", parts=text(mark))
            case "set":
                command = c.PatchState(set={f"k{number}": mark + "x" * VALUE})
            case "take":
                command = c.PatchState(
                    delete=tuple(f"k{n}" for n in range(number + 1) if n % 3 != 1)
                )
            case _:
                command = c.SpawnSession(
                    parent_id=session_id,
                    child_id=chance.choice(CHILDREN),
                    agent=Agent(name="helper"),
                    ttl_seconds=60,
                    title=mark,
                )
        key = signed = None
        match chance.randrange(4):
            case 0:
                key = Idempotency(scope=session_id, key=f"key {number}", fingerprint=mark.encode())
            case 1:
                signed = SignedRequest(mark.encode(), UUID(int=100 + number), LATER)
            case _:
                pass
        request = Request(session_id, command, "user:ada", idempotency=key, size=10, signed=signed)
        return request, mark

    def send(self, process: Process, request: Request, mark: str) -> None:
        task = asyncio.create_task(process.handler.handle(request))
        task.add_done_callback(take_error)
        self.asked.append(Asked(request, task, mark, process))

    def send_again(self, process: Process) -> None:
        """Send a request again that is known when it comes again."""
        known = [one for one in self.asked if one.request.idempotency or one.request.signed]
        if not known:
            return
        first = self.chance.choice(known)
        request, signed = first.request, first.request.signed
        if signed is not None:
            # Another request, with the signature of the first one.
            other = SignedRequest(signed.hashed, UUID(int=1_000 + len(self.asked)), LATER)
            request = request._replace(signed=other)
        self.send(process, request, first.mark)

    def leave(self) -> None:
        """Have a caller leave."""
        there = [one for one in self.asked if not one.task.done()]
        if not there:
            return
        leaver = self.chance.choice(there)
        leaver.has_left = True
        leaver.may_be_stored = self.database.has(leaver.mark.encode())
        leaver.task.cancel()


Logs = dict[UUID, Sequence[StoredEvent]]


def check_the_answers(world: World, logs: Logs, seen: Counter[str]) -> None:
    """Whoever has not left has one answer, and it is true."""
    for asked in world.asked:
        if asked.task.cancelled():
            assert asked.has_left
            seen["left while it waited"] += not asked.may_be_stored
        error = asked.error
        assert error is None or type(error) in REFUSALS, repr(error)
        seen[type(error).__name__] += 1
        if isinstance(error, StateTooLarge):
            assert error.facts["size"] > LARGEST_STATE - 2 * VALUE
        outcome = asked.outcome
        if outcome is not None:
            seen["replayed"] += outcome.replayed
            last = logs[outcome.session_id][outcome.sequence - 1]
            assert (last.sequence, last.position) == (outcome.sequence, outcome.position)
    claimed = [
        (outcome.session_id, sequence)
        for outcome in (asked.outcome for asked in world.asked)
        if outcome is not None and not outcome.replayed
        for sequence in range(outcome.first_sequence, outcome.sequence + 1)
    ]
    assert len(claimed) == len(set(claimed))


def check_the_log(world: World, logs: Logs, seen: Counter[str]) -> None:
    """What was acknowledged is there once, what was refused or left in time is not."""
    events = [event for log in logs.values() for event in log]
    sendings: dict[str, list[Asked]] = {}
    for asked in world.asked:
        sendings.setdefault(asked.mark, []).append(asked)
    for mark, sent in sendings.items():
        command = sent[0].request.command
        if isinstance(command, c.PatchState) and command.delete:
            continue
        made = [event for event in events if mark.encode() in event.record]
        assert len(made) <= 1
        done = [one for one in sent if one.outcome is not None]
        unknown = [
            one
            for one in sent
            if isinstance(one.error, OutcomeUnknown) or (one.task.cancelled() and one.may_be_stored)
        ]
        seen["unknown, and stored"] += bool(made) and not done
        seen["unknown, and not stored"] += bool(unknown) and not made
        assert bool(made) or not done
        assert not made or done or unknown
        for one in done:
            outcome = one.outcome
            if outcome is not None and not isinstance(command, c.SpawnSession):
                assert made[0] in logs[outcome.session_id][outcome.first_sequence - 1 :]
                assert made[0].sequence <= outcome.sequence


def check_the_children(logs: Logs) -> None:
    """A child is there if a parent says so, and only then."""
    for child_id in CHILDREN:
        said = f'"child_id":"{child_id}"'.encode()
        spawned = [one for at in SESSIONS for one in logs[at] if said in one.record]
        assert len(spawned) == (child_id not in SESSIONS and bool(logs[child_id]))


def check_the_order(world: World) -> None:
    """Each process has done what it was asked in the order in which it was asked."""
    newest: dict[tuple[Process, UUID], int] = {}
    for asked in world.asked:
        outcome, place = asked.outcome, (asked.process, asked.request.session_id)
        if outcome is not None and outcome.changed and not outcome.replayed:
            assert outcome.first_sequence > newest.get(place, 0)
            newest[place] = outcome.sequence
    for process in world.processes:
        for session_id, channel in process.followed.items():
            assert channel.head >= newest.get((process, session_id), 0)


def check_what_was_told(world: World, logs: Logs) -> None:
    """Whoever follows a session has heard what its log has."""
    for process in world.processes:
        for session_id, channel in process.followed.items():
            told = list(channel._newest)
            first = told[0].sequence - 1 if told else 0
            assert told == logs[session_id][first : first + len(told)]


def check_the_room(database: Database, logs: Logs) -> None:
    """No state is larger than it may be."""
    for session_id in SESSIONS:
        session = ABSENT
        for event in logs[session_id]:
            session = evolve(session, database.whole.codec.decode(event))
            assert len(encode_state(session)) <= LARGEST_STATE * OVER + EMPTY


async def schedule(chance: Random, seen: Counter[str]) -> None:
    unheard: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unheard.append(context))
    database = Database(chance)
    memory, patience = chance.choice((1, 1 << 30)), chance.choice((0.0, 20 * _TICK, 1.0, 60.0))
    processes = [Process(database.store, memory, patience) for _ in range(2)]
    world = World(database, processes, chance)
    beginner = handler_over(database.whole, repository_over(database.whole), FanOut())
    for session_id in SESSIONS:
        create = c.CreateSession(owner=OWNER, limits=SessionLimits(children=1))
        await beginner.handle(Request(session_id, create, "user:ada"))

    with ExitStack() as followers:
        for process in world.processes:
            for session_id in SESSIONS:
                channel = followers.enter_context(process.fan_out.follow(session_id))
                process.followed[session_id] = channel
        await world.play()

    for process in world.processes:
        process.check_that_nothing_is_left()
    logs = {one: await database.events(one) for one in (*SESSIONS, *CHILDREN)}
    check_the_answers(world, logs, seen)
    check_the_log(world, logs, seen)
    check_the_children(logs)
    check_the_order(world)
    check_what_was_told(world, logs)
    check_the_room(database, logs)
    seen.update(database.met)
    del world, processes
    gc.collect()
    assert not unheard


def test_each_command_is_done_once_or_not_at_all_whatever_happens_meanwhile() -> None:
    seen: Counter[str] = Counter()

    @examples(400)
    @given(st.integers(0, 2**32))
    def holds(seed: int) -> None:
        with asyncio.Runner(loop_factory=Loop) as runner:
            runner.run(schedule(Random(seed), seen))

    for _ in attempts(holds, lambda: all(seen[what] for what in MUST_HAPPEN)):
        holds()
    assert not [what for what in MUST_HAPPEN if not seen[what]], seen
