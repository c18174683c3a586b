"""Children, forks and rewinds through the real command path, over several sessions."""

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from api.composition.over_store import handler_over, queries_over, repository_over, transcripts_over
from api.composition.use_cases import children_over, forks_over
from application.commands.request import Outcome, Request
from application.errors import CursorAhead, StaleSequence, StoreUnavailable
from application.fan_out import FanOut
from application.ports.session.listing import SessionFilter, SessionOrder
from application.ports.store import Store
from application.upkeep.supervision import Supervision
from domain.errors import (
    CairnError,
    Invalid,
    PermissionDenied,
    SessionExists,
    SessionExpired,
    SessionIsDeleted,
    SessionNotFound,
    SpawnLimit,
    TurnInProgress,
)
from domain.log.chain import genesis, link, record_hash
from domain.permissions.grants import Grants
from domain.session import commands as c
from domain.session import events as e
from domain.session.content.conversation import rewind_to
from domain.timers import Timers
from domain.values import Agent, Owner, SessionLimits
from infrastructure.memory.store import MemoryStore
from tests.support.builders import NOON, OWNER, text

PARENT, CHILD, FORK = (UUID(int=n) for n in (1, 2, 3))
CODER = Agent(name="coder")
NEVER = Timers(progress=None, warning=None, silence=None)


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.time = NOON
        self._ids = iter(range(1000, 10**9))

    def now(self) -> datetime:
        return self.time

    def new_id(self) -> UUID:
        return UUID(int=next(self._ids))

    def new_name(self) -> str:
        return str(self.new_id())

    def move(self, **by: float) -> None:
        self.time += timedelta(**by)


class Place:
    """One process over a store."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.store: Store = MemoryStore(clock=self.clock)
        self.restart()

    def restart(self, timers: Timers = NEVER) -> None:
        fan_out = FanOut()
        self.repository = repository_over(self.store)
        self.handler = handler_over(self.store, self.repository, fan_out, timers=timers)
        self.queries = queries_over(self.store, self.repository, transcripts_over(self.store))
        self.children = children_over(self.store, self.repository, self.handler, self.queries)
        self.forks = forks_over(self.store, self.repository, self.handler, self.queries)
        self.supervision = Supervision(self.store.deadlines, self.repository, self.handler, timers)

    async def ask(self, session_id: UUID, *commands: c.Command, **rest: Any) -> Outcome:
        for command in commands:
            outcome = await self.handler.handle(
                Request(session_id, command, actor="user:ada", **rest)
            )
        await self.settle()
        return outcome

    async def settle(self) -> None:
        while chores := set(self.handler._chores):
            await asyncio.wait(chores)

    async def events(self, session_id: UUID) -> list[e.SessionEvent]:
        page = await self.store.log.read(session_id, limit=1000)
        return [self.store.codec.decode(stored).event for stored in page]

    async def names(self, session_id: UUID) -> list[str]:
        return [one.type for one in await self.store.log.read(session_id, limit=1000)]

    async def transcript(self, session_id: UUID, at: int | None = None) -> list[Any]:
        snapshot = await self.queries.snapshot(session_id, at)
        return [self.store.codec.from_json(entry) for entry in snapshot.transcript]

    async def fork(self, at: int | None = None, **changed: Any) -> Outcome:
        wanted = c.CreateSession(owner=OWNER, **changed)
        command, inherits = await self.forks.forked(PARENT, at, wanted)
        return await self.ask(FORK, command, inherits=inherits)

    async def status(self, session_id: UUID) -> str:
        row = await self.store.session_rows.session(session_id)
        assert row is not None
        return row.status


@pytest.fixture
async def place() -> Place:
    """A session with a conversation of two turns, a message between them, and state."""
    made = Place()
    limits = SessionLimits(children=2, depth=1)
    grants = Grants(tools=("fs__read", "fs__write"))
    await made.ask(
        PARENT,
        c.CreateSession(
            owner=OWNER, title="Original", state={"n": 1, "app:motd": "hi"}, limits=limits,
            grants=grants, tags=("a",),
        ),
        c.StartTurn(turn_id="t1", message_id="m1", parts=text("one")),
        c.RecordActivity(turn_id="t1", events=(e.AgentMessage(parts=text("two")),)),
        c.CompleteTurn(turn_id="t1"),
        c.PatchState(set={"n": 2, "extra": [1]}),
        c.AddMessage(message_id="m2", role="user", parts=text("three")),
        c.StartTurn(turn_id="t2", message_id="m3", parts=text("four")),
        c.RecordActivity(turn_id="t2", events=(e.ToolCalled(tool_call_id="c1", name="ls"),)),
    )  # fmt: skip
    return made


def spawn(child_id: UUID = CHILD, **fields: Any) -> c.SpawnSession:
    given = {"parent_id": PARENT, "child_id": child_id, "agent": CODER, "ttl_seconds": 60}
    return c.SpawnSession(**given | fields)


# ── forks ────────────────────────────────────────────────────────────────────────────────────


async def test_a_fork_says_and_knows_what_its_origin_did_at_that_sequence(place: Place):
    await place.fork(6)

    then = await place.queries.snapshot(PARENT, 6)
    fork = await place.queries.snapshot(FORK)
    assert fork.sequence == 1
    assert fork.transcript == then.transcript
    assert fork.state == then.state == {"n": 2, "extra": [1], "app:motd": "hi"}
    assert fork.document["title"] == "Original"
    assert fork.document["tags"] == ("a",)


async def test_a_fork_copies_nothing_of_the_history(place: Place):
    await place.fork()

    assert await place.names(FORK) == ["session.created"]
    created = (await place.events(FORK))[0]
    assert isinstance(created, e.SessionCreated)
    assert created.state == {}
    head = (await place.store.log.read(PARENT, after=7, limit=1))[0]
    assert created.forked_from is not None
    assert created.forked_from.digest == head.digest.hex()


@pytest.mark.parametrize("at", range(1, 9))
async def test_wherever_it_begins_a_fork_is_idle_and_goes_its_own_way(place: Place, at: int):
    await place.fork(at, title="Mine")

    await place.ask(
        FORK,
        c.StartTurn(turn_id="t9", message_id="m9", parts=text("mine")),
        c.CompleteTurn(turn_id="t9"),
        c.PatchState(set={"own": True}),
    )

    fork = await place.queries.snapshot(FORK)
    assert fork.document["title"] == "Mine"
    assert fork.session.status == "idle"
    assert fork.state["own"] is True
    assert (await place.transcript(FORK))[-1]["id"] == "m9"
    assert "own" not in (await place.queries.snapshot(PARENT)).state
    assert not [entry for entry in await place.transcript(FORK) if entry.get("status") == "open"]


async def test_a_fork_is_the_same_after_a_restart_and_in_the_past(place: Place):
    await place.fork(6)
    await place.ask(FORK, c.AddMessage(message_id="new", role="user", parts=text("later")))
    before = await place.transcript(FORK, 1)

    place.restart()

    assert await place.transcript(FORK, 1) == before == await place.transcript(PARENT, 6)
    assert (await place.repository.load(FORK)).session.messages.keys() >= {"m1", "m2", "new"}


async def test_a_fork_of_a_fork_reaches_back_to_the_first_one(place: Place):
    await place.fork(6)
    wanted = c.CreateSession(owner=OWNER)
    command, inherits = await place.forks.forked(FORK, None, wanted)
    await place.ask(CHILD, command, inherits=inherits)
    place.restart()

    assert await place.transcript(CHILD) == await place.transcript(PARENT, 6)
    assert (await place.queries.snapshot(CHILD)).state["extra"] == [1]


async def test_the_digests_of_a_fork_are_a_chain_of_its_own(place: Place):
    await place.fork()
    stored = (await place.store.log.read(FORK, limit=1))[0]

    assert stored.digest == link(genesis(FORK), record_hash(stored.record))


async def test_a_fork_is_refused_of_what_is_not_there_or_beyond_its_end(place: Place):
    with pytest.raises(CursorAhead):
        await place.fork(10_000)
    with pytest.raises(SessionNotFound):
        await place.forks.forked(CHILD, None, c.CreateSession(owner=OWNER))
    await place.ask(PARENT, c.DeleteSession())
    with pytest.raises(SessionIsDeleted):
        await place.fork(3)
    with pytest.raises(SessionIsDeleted):
        await place.forks.state_at(PARENT, 1)


async def test_what_a_fork_is_made_of_is_looked_at_once(place: Place):
    """Whoever forks the newest of a session that may be at 9 only, forks event 9."""
    wanted = c.CreateSession(owner=Owner(app="", user=""))
    head = (await place.repository.load(PARENT)).session.sequence
    command, _ = await place.forks.forked(PARENT, None, wanted, {head})
    assert command.owner == OWNER
    assert command.forked_from is not None
    assert command.forked_from.sequence == head

    await place.ask(PARENT, c.PatchState(set={"n": 3}))
    with pytest.raises(StaleSequence):
        await place.forks.forked(PARENT, 3, wanted, {head})


async def test_a_fork_of_the_newest_takes_the_state_that_is_kept(
    place: Place, monkeypatch: pytest.MonkeyPatch
):
    place.restart()
    wanted = c.CreateSession(owner=OWNER)
    cold, from_log = await place.forks.forked(PARENT, None, wanted)
    await place.repository.load(PARENT)

    async def nothing(*_: Any, **__: Any) -> Any:
        raise AssertionError("the log is read though the state is kept")

    monkeypatch.setattr(place.store.log, "read", nothing)
    monkeypatch.setattr(place.store.snapshots, "load", nothing)
    assert await place.forks.forked(PARENT, None, wanted) == (cold, from_log)
    with pytest.raises(AssertionError, match="the log is read"):
        await place.forks.forked(PARENT, 3, wanted)


async def test_a_fork_outlives_the_deletion_of_its_origin(place: Place):
    await place.fork(6)
    await place.ask(PARENT, c.DeleteSession())
    place.restart()

    assert (await place.transcript(FORK))[0]["id"] == "m1"


# ── rewind and clear ─────────────────────────────────────────────────────────────────────────


async def rewound(place: Place, to: int) -> Outcome:
    then = await place.forks.state_at(PARENT, to)
    return await place.ask(PARENT, rewind_to(to, then))


async def test_a_rewound_conversation_says_and_knows_what_it_did_then_and_the_log_goes_on(
    place: Place,
):
    await place.ask(PARENT, c.CompleteTurn(turn_id="t2"))
    before = await place.names(PARENT)
    then = await place.queries.snapshot(PARENT, 4)

    await rewound(place, 4)

    now = await place.queries.snapshot(PARENT)
    assert now.transcript == then.transcript
    assert now.state == then.state == {"n": 1, "app:motd": "hi"}
    assert now.document["epoch"] == 1
    assert await place.names(PARENT) == [*before, "conversation.rewound"]


async def test_what_follows_a_rewind_joins_what_was_gone_back_to(place: Place):
    await place.ask(PARENT, c.CompleteTurn(turn_id="t2"))
    await rewound(place, 2)
    await place.ask(PARENT, c.AddMessage(message_id="new", role="user", parts=text("again")))
    place.restart()

    assert [entry["id"] for entry in await place.transcript(PARENT)] == ["m1", "new"]


async def test_a_rewind_can_be_taken_back_by_another(place: Place):
    await place.ask(PARENT, c.CompleteTurn(turn_id="t2"))
    end = (await place.repository.load(PARENT)).session.sequence
    whole = await place.queries.snapshot(PARENT)
    await rewound(place, 2)

    await rewound(place, end)

    again = await place.queries.snapshot(PARENT)
    assert again.transcript == whole.transcript
    assert again.state == whole.state


async def test_a_call_that_was_open_at_that_moment_is_not_left_open_for_ever(place: Place):
    called = (await place.repository.load(PARENT)).session.sequence
    await place.ask(PARENT, c.CompleteTurn(turn_id="t2"))

    await rewound(place, called)

    (call,) = [entry for entry in await place.transcript(PARENT) if entry["kind"] == "tool_call"]
    assert call["status"] == "abandoned"


async def test_a_rewind_waits_for_the_turn_to_end(place: Place):
    with pytest.raises(TurnInProgress):
        await rewound(place, 2)


async def test_a_cleared_conversation_begins_anew_and_its_past_can_still_be_read(place: Place):
    await place.ask(PARENT, c.CompleteTurn(turn_id="t2"))
    end = (await place.repository.load(PARENT)).session.sequence
    said = await place.transcript(PARENT)

    await place.ask(PARENT, c.ClearConversation())

    (mark,) = await place.transcript(PARENT)
    assert mark["kind"] == "conversation_cleared"
    assert await place.transcript(PARENT, end) == said
    assert (await place.queries.snapshot(PARENT)).state["n"] == 2
    await place.ask(PARENT, c.AddMessage(message_id="new", role="user", parts=text("hello")))
    assert [entry["id"] for entry in await place.transcript(PARENT)] == [mark["id"], "new"]


# ── children ─────────────────────────────────────────────────────────────────────────────────


async def test_a_spawn_begins_the_child_and_tells_the_parent_in_one_transaction(place: Place):
    outcome = await place.ask(PARENT, spawn(role="reviewer", grants=Grants(tools=("fs__read",))))

    parent_event = (await place.store.log.read(PARENT, after=outcome.sequence - 1, limit=1))[0]
    child_event = (await place.store.log.read(CHILD, limit=1))[0]
    assert (parent_event.type, child_event.type) == ("child.spawned", "session.created")
    assert child_event.position == parent_event.position + 1
    child = (await place.repository.load(CHILD)).session
    assert child.lifecycle.type == "spawned"
    lineage = child.lifecycle.lineage
    assert lineage is not None
    assert (lineage.parent_id, lineage.root_id, lineage.depth) == (PARENT, PARENT, 1)
    assert child.policy.grants.tools == ("fs__read",)
    assert child.lifecycle.expires_at == NOON + timedelta(seconds=60)
    assert await place.children.ancestry(CHILD) == [PARENT]


async def test_a_child_wider_by_one_atom_is_refused_and_nothing_is_recorded(place: Place):
    before = await place.store.log.head()

    with pytest.raises(PermissionDenied):
        await place.ask(PARENT, spawn(grants=Grants(tools=("fs__read", "fs__exec"))))

    assert await place.store.log.head() == before
    assert await place.store.session_rows.session(CHILD) is None


async def test_a_child_too_many_or_too_deep_is_refused(place: Place):
    await place.ask(PARENT, spawn(UUID(int=11)), spawn(UUID(int=12)))

    with pytest.raises(SpawnLimit):
        await place.ask(PARENT, spawn(UUID(int=13)))
    deeper = spawn(UUID(int=14), parent_id=UUID(int=11))
    with pytest.raises(SpawnLimit):
        await place.ask(UUID(int=11), deeper)


async def test_a_child_that_ends_makes_room_at_once(place: Place):
    await place.ask(PARENT, spawn(UUID(int=11)), spawn(UUID(int=12)))
    await place.ask(UUID(int=11), c.StopSession())

    await place.ask(PARENT, spawn(UUID(int=13)))

    assert "child.reaped" in await place.names(PARENT)


async def test_children_that_ended_while_nobody_told_their_parent_are_found_before_a_spawn(
    place: Place, monkeypatch: pytest.MonkeyPatch
):
    await place.ask(PARENT, spawn(UUID(int=11)), spawn(UUID(int=12)))
    monkeypatch.setattr(place.handler, "_reactions", ())
    await place.ask(UUID(int=11), c.StopSession())
    with pytest.raises(SpawnLimit):
        await place.ask(PARENT, spawn(UUID(int=13)))

    await place.children.count(PARENT)

    await place.ask(PARENT, spawn(UUID(int=13)))


async def test_a_child_that_is_resumed_takes_its_place_again(place: Place):
    await place.ask(PARENT, spawn(UUID(int=11)), spawn(UUID(int=12)))
    await place.ask(UUID(int=11), c.StopSession())
    await place.ask(UUID(int=11), c.ResumeSession())

    assert (await place.events(PARENT))[-1] == e.ChildResumed(
        child_id=UUID(int=11), role="worker", auto_stop=True
    )
    with pytest.raises(SpawnLimit):
        await place.ask(PARENT, spawn(UUID(int=13)))
    await place.ask(PARENT, c.StopSession())
    assert await place.status(UUID(int=11)) == "stopped"


async def test_children_that_were_resumed_while_nobody_told_their_parent_are_found_before_a_spawn(
    place: Place, monkeypatch: pytest.MonkeyPatch
):
    await place.ask(PARENT, spawn(UUID(int=11)), spawn(UUID(int=12)))
    await place.ask(UUID(int=11), c.StopSession())
    monkeypatch.setattr(place.handler, "_reactions", ())
    await place.ask(UUID(int=11), c.ResumeSession())

    await place.children.count(PARENT)

    with pytest.raises(SpawnLimit):
        await place.ask(PARENT, spawn(UUID(int=13)))
    before = await place.store.log.head()
    await place.children.count(PARENT)
    assert await place.store.log.head() == before


async def test_of_two_processes_that_spawn_at_once_none_has_a_child_too_many(place: Place):
    repository = repository_over(place.store)
    other = handler_over(place.store, repository, FanOut(), timers=NEVER)
    await asyncio.gather(place.repository.load(PARENT), repository.load(PARENT))

    async def ask(number: int) -> str:
        handler = (place.handler, other)[number % 2]
        command = spawn(UUID(int=number))
        try:
            await handler.handle(Request(PARENT, command, actor="user:ada"))
        except SpawnLimit:
            return "refused"
        return "spawned"

    results = await asyncio.gather(*map(ask, range(20, 30)))

    assert results.count("spawned") == 2
    assert len(await place.store.session_rows.living_children(PARENT)) == 2


async def test_a_child_cannot_take_the_id_of_another_session(place: Place):
    await place.ask(CHILD, c.CreateSession(owner=Owner(app="other", user="bob")))

    with pytest.raises(SessionExists):
        await place.ask(PARENT, spawn())

    assert "child.spawned" not in await place.names(PARENT)


async def test_children_are_found_by_parent_and_root(place: Place):
    await place.ask(PARENT, spawn(UUID(int=11)), spawn(UUID(int=12)))

    for where in (SessionFilter(parent=PARENT), SessionFilter(root=PARENT)):
        found = await place.queries.sessions(where, SessionOrder("created_at"), None, 10)
        assert {row.session_id for row in found} == {UUID(int=11), UUID(int=12)}


# ── the clock ────────────────────────────────────────────────────────────────────────────────


async def test_a_child_ends_at_the_very_moment_its_time_runs_out_and_not_before(place: Place):
    await place.ask(PARENT, spawn())
    place.clock.move(seconds=59.999)
    await place.supervision.round()
    assert await place.status(CHILD) == "idle"

    place.clock.move(seconds=0.001)
    await place.supervision.round()
    await place.settle()

    assert await place.status(CHILD) == "stopped"
    stopped = (await place.events(CHILD))[-1]
    assert isinstance(stopped, e.SessionStopped)
    assert (stopped.reason, stopped.detail) == ("timeout", "ttl_expired")
    reaped = (await place.events(PARENT))[-1]
    assert reaped == e.ChildReaped(child_id=CHILD, reason="ttl_expired")
    with pytest.raises(SessionExpired):
        await place.ask(CHILD, c.ResumeSession(at=place.clock.now()))


@pytest.mark.parametrize("crashed", [False, True])
async def test_children_end_with_their_parent_if_they_are_to(
    place: Place, monkeypatch: pytest.MonkeyPatch, crashed: bool
):
    await place.ask(PARENT, spawn(UUID(int=11)), spawn(UUID(int=12), auto_stop=False))
    with monkeypatch.context() as patched:
        if crashed:
            patched.setattr(place.handler, "_reactions", ())
        await place.ask(PARENT, c.StopSession())
    if crashed:
        assert await place.status(UUID(int=11)) == "idle"
        await place.supervision.round()
        await place.settle()

    assert await place.status(UUID(int=11)) == "stopped"
    assert await place.status(UUID(int=12)) == "idle"
    reaped = (await place.events(PARENT))[-1]
    assert reaped == e.ChildReaped(child_id=UUID(int=11), reason="parent_stopped")


async def test_an_erased_child_is_counted_by_its_parent(place: Place):
    await place.ask(PARENT, spawn(UUID(int=11)))

    await place.ask(UUID(int=11), c.EraseSession(reason="case 1"))
    await place.settle()

    reaped = (await place.events(PARENT))[-1]
    assert reaped == e.ChildReaped(child_id=UUID(int=11), reason="deleted")


async def test_children_end_with_an_erased_parent_if_they_are_to(place: Place):
    await place.ask(PARENT, spawn(UUID(int=11)), spawn(UUID(int=12), auto_stop=False))

    await place.ask(PARENT, c.EraseSession(reason="case 1"))
    await place.settle()

    assert await place.status(UUID(int=11)) == "stopped"
    assert await place.status(UUID(int=12)) == "idle"


async def test_a_request_runs_out_by_itself(place: Place):
    option = e.Option(option_id="yes", name="Yes", kind="allow_once")
    await place.ask(
        PARENT,
        c.RequestPermission(
            request_id="r1", turn_id="t2", options=(option,),
            expires_at=NOON + timedelta(seconds=5),
        ),
    )  # fmt: skip
    place.clock.move(seconds=5)

    await place.supervision.round()

    decided = (await place.events(PARENT))[-1]
    assert decided == e.PermissionDecided(request_id="r1", decision="timeout", reason="expired")


async def test_a_silent_turn_is_noted_then_stalled_then_given_up(place: Place):
    timers = Timers(progress=10, warning=15, silence=30, grace=5)
    place.restart(timers)
    await place.ask(PARENT, c.CompleteTurn(turn_id="t2"))
    await place.ask(PARENT, c.StartTurn(turn_id="t3", message_id="m9", parts=text("x")))
    begun = len(await place.names(PARENT))
    for seconds in (10, 5, 5, 10, 5):
        place.clock.move(seconds=seconds)
        await place.supervision.round()
        await place.supervision.round()

    assert (await place.names(PARENT))[begun:] == [
        "turn.progress_noted",
        "session.stalled",
        "turn.progress_noted",
        "turn.progress_noted",
        "session.stalled",
        "turn.failed",
        "session.stopped",
    ]


@pytest.mark.parametrize("timers", [NEVER, Timers(progress=5000, warning=6000, silence=7000)])
async def test_a_turn_that_began_under_other_timers_is_looked_after_when_the_server_comes_back(
    place: Place, timers: Timers
):
    place.restart(timers)
    await place.ask(PARENT, c.CompleteTurn(turn_id="t2"))
    await place.ask(PARENT, c.StartTurn(turn_id="t3", message_id="m9", parts=text("x")))
    place.clock.move(seconds=16)
    await place.supervision.round()
    assert (await place.names(PARENT))[-1] == "turn.started"

    place.restart(Timers(progress=None, warning=15, silence=30))
    await place.supervision.round()

    assert (await place.names(PARENT))[-1] == "session.stalled"
    assert await place.store.deadlines.next_due() == pytest.approx(14)


@pytest.mark.parametrize("broken", [Invalid("no", field="x"), RuntimeError("a fault")])
async def test_a_session_that_cannot_be_helped_keeps_no_other_waiting(
    place: Place, monkeypatch: pytest.MonkeyPatch, broken: Exception
):
    place.restart(Timers(progress=None, warning=15, silence=30))
    other = UUID(int=77)
    await place.ask(other, c.CreateSession(owner=OWNER))
    for session_id, turn in ((PARENT, "t2"), (other, "t1")):
        with suppress(CairnError):
            await place.ask(session_id, c.CompleteTurn(turn_id=turn))
        start = c.StartTurn(turn_id="t9", message_id="m9", parts=text("x"))
        await place.ask(session_id, start)
        place.clock.move(seconds=1)
    handle = place.handler.handle
    asked: list[UUID] = []

    async def stumble(request: Request) -> Outcome:
        asked.append(request.session_id)
        if request.session_id == PARENT:
            raise broken
        return await handle(request)

    monkeypatch.setattr(place.handler, "handle", stumble)
    place.clock.move(seconds=15)
    await place.supervision.round()
    await place.supervision.round()

    assert asked == [PARENT, other]
    assert (await place.names(other))[-1] == "session.stalled"
    place.clock.move(seconds=30)
    await place.supervision.round()
    assert asked.count(PARENT) == 2


async def test_a_store_that_is_away_ends_the_round(place: Place, monkeypatch: pytest.MonkeyPatch):
    place.restart(Timers(progress=None, warning=15, silence=30))
    await place.ask(PARENT, c.CompleteTurn(turn_id="t2"))
    await place.ask(PARENT, c.StartTurn(turn_id="t3", message_id="m9", parts=text("x")))
    place.clock.move(seconds=15)

    async def away(_: Request) -> Outcome:
        raise StoreUnavailable

    with monkeypatch.context() as patched:
        patched.setattr(place.handler, "handle", away)
        with pytest.raises(StoreUnavailable):
            await place.supervision.round()
    await place.supervision.round()

    assert (await place.names(PARENT))[-1] == "session.stalled"


async def test_a_sign_of_life_ends_a_stall_once_and_puts_the_end_off(place: Place):
    timers = Timers(progress=None, warning=15, silence=30)
    place.restart(timers)
    await place.ask(PARENT, c.CompleteTurn(turn_id="t2"))
    await place.ask(PARENT, c.StartTurn(turn_id="t3", message_id="m9", parts=text("x")))
    place.clock.move(seconds=15)
    await place.supervision.round()
    begun = len(await place.names(PARENT))
    note = c.RecordActivity(turn_id="t3", events=(e.RuntimeNotice(level="info", text="hm"),))

    await place.ask(PARENT, note, note)
    place.clock.move(seconds=14)
    await place.supervision.round()

    assert (await place.names(PARENT))[begun:] == [
        "session.recovered", "runtime.notice", "runtime.notice",
    ]  # fmt: skip


async def test_while_a_person_is_asked_a_turn_is_not_silent(place: Place):
    timers = Timers(progress=None, warning=15, silence=30)
    place.restart(timers)
    option = e.Option(option_id="yes", name="Yes", kind="allow_once")
    await place.ask(PARENT, c.RequestPermission(request_id="r1", turn_id="t2", options=(option,)))
    begun = len(await place.names(PARENT))
    place.clock.move(hours=5)
    await place.supervision.round()
    assert (await place.names(PARENT))[begun:] == []

    await place.ask(PARENT, c.DecidePermission(request_id="r1", option_id="yes"))
    place.clock.move(seconds=15)
    await place.supervision.round()

    assert (await place.names(PARENT))[begun:] == ["permission.decided", "session.stalled"]


async def test_what_is_not_due_is_put_off_and_costs_no_event(place: Place):
    timers = Timers(progress=None, warning=15, silence=30)
    place.restart(timers)
    note = c.RecordActivity(turn_id="t2", events=(e.RuntimeNotice(level="info", text="hm"),))
    await place.ask(PARENT, c.CompleteTurn(turn_id="t2"))
    await place.ask(PARENT, c.StartTurn(turn_id="t3", message_id="m9", parts=text("x")))
    note = c.RecordActivity(turn_id="t3", events=note.events)
    place.clock.move(seconds=14)
    await place.ask(PARENT, note)
    before = await place.names(PARENT)
    place.clock.move(seconds=2)

    await place.supervision.round()

    assert await place.names(PARENT) == before
    assert await place.store.deadlines.next_due() == pytest.approx(13)


async def test_a_clock_that_goes_back_changes_no_order(place: Place):
    place.clock.move(hours=-1)
    await place.ask(PARENT, c.CompleteTurn(turn_id="t2"))

    stored = await place.store.log.read(PARENT, limit=100)

    recorded = [place.store.codec.decode(one) for one in stored]
    assert [one.sequence for one in recorded] == list(range(1, len(stored) + 1))
    assert recorded[-1].at < recorded[0].at + timedelta(seconds=1)
    assert isinstance(recorded[-1].event, e.TurnCompleted)
    assert [entry["id"] for entry in await place.transcript(PARENT)][:1] == ["m1"]
