"""What whoever comes without HTTP gets too: ids, the clock, checks, counting and idempotency."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from api.composition.over_store import (
    partial_reader_over,
    queries_over,
    scope_handler_over,
    transcripts_over,
)
from api.composition.use_cases import use_cases_over
from application.commands.request import Caller, IdempotencyKey, RequestOrigin
from application.errors import IdempotencyKeyReused, StaleScope, StaleSequence
from application.partials.writer import PartialWriter
from application.use_cases import UseCases
from application.use_cases.session.sessions import WantedMessage
from application.use_cases.turn.inputs import WantedInput
from application.use_cases.turn.pieces import SentPiece
from domain.errors import Invalid, NoTurnInProgress, SessionNotFound, SpawnLimit, TurnNotFound
from domain.session import commands as c
from domain.session import events as e
from domain.values import Agent, Owner, SessionLimits
from infrastructure.json_schema import FormSchemas
from tests.support.builders import OWNER, SESSION_ID, text
from tests.support.in_memory_app import START, InMemoryApp

pytestmark = pytest.mark.anyio

ADA = Caller(actor="user:ada", origin="http")
AGENT = Agent(name="coder")


def once(key: str, fingerprint: bytes = b"f") -> Caller:
    return ADA._replace(key=IdempotencyKey(key, fingerprint))


class Runtime(InMemoryApp):
    """A program beside the server's doors, over the same use cases."""

    def __init__(self) -> None:
        super().__init__()
        queries = queries_over(self.store, self.repository, transcripts_over(self.store))
        self.use_cases: UseCases = use_cases_over(
            self.store,
            self.repository,
            self.handler,
            scope_handler_over(self.store, self.fan_out),
            self.fan_out,
            queries,
            FormSchemas(),
            PartialWriter(self.store.partials, self.fan_out),
        )

    async def settle(self) -> None:
        while chores := set(self.handler._chores):
            await asyncio.wait(chores)


@pytest.fixture
async def runtime() -> Runtime:
    made = Runtime()
    await made.create(limits=SessionLimits(children=1, depth=1))
    return made


async def test_an_event_says_through_which_door_it_was_asked_for(runtime: Runtime):
    door: RequestOrigin = "lineage"
    caller = Caller(actor="agent:coder", origin=door, causation="request 7")
    await runtime.use_cases.messages.add(caller, SESSION_ID, role="agent", parts=text())

    (event,) = await runtime.store.log.read_newest(SESSION_ID, last=1)
    record = runtime.store.codec.from_json(event.record)
    assert (record["actor"], record["origin"], record["causation"]) == (
        "agent:coder", "lineage", "request 7",
    )  # fmt: skip


async def test_whoever_elicits_with_a_schema_that_holds_nothing_is_refused(runtime: Runtime):
    with pytest.raises(Invalid) as refused:
        await runtime.use_cases.interactions.elicit(
            ADA, SESSION_ID, message="Which?", schema={"type": "no such type"}
        )

    assert refused.value.facts["field"] == "schema.type"
    assert refused.value.facts["errors"]
    assert await runtime.types() == ["session.created"]


async def test_a_form_is_held_to_its_schema_and_runs_out_by_the_clock(runtime: Runtime):
    interactions = runtime.use_cases.interactions
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    asked = await interactions.elicit(
        ADA, SESSION_ID, message="How many?", schema=schema, timeout_seconds=60
    )
    request_id = asked.answer["request_id"]

    with pytest.raises(Invalid):
        await interactions.answer(
            ADA, SESSION_ID, request_id, action="accept", content={"n": "many"}
        )
    answered = await interactions.answer(
        ADA, SESSION_ID, request_id, action="accept", content={"n": 3}
    )

    assert UUID(request_id)
    assert asked.answer["expires_at"] == (START + timedelta(seconds=60)).isoformat(
        timespec="microseconds"
    ).replace("+00:00", "Z")
    assert answered.answer == {"request_id": request_id, "decision": "accept"}


async def test_a_spawn_counts_the_children_that_ended_unnoticed(runtime: Runtime):
    children = runtime.use_cases.children
    first = await children.spawn(ADA, SESSION_ID, agent=AGENT, ttl_seconds=60)
    child_id = UUID(str(first.answer["session"]["id"]))
    with pytest.raises(SpawnLimit):
        await children.spawn(ADA, SESSION_ID, agent=AGENT, ttl_seconds=60)
    runtime.handler._reactions = ()
    await runtime.do(c.StopSession(), child_id)

    second = await children.spawn(ADA, SESSION_ID, agent=AGENT, ttl_seconds=60)

    assert second.changed
    assert "child.reaped" in await runtime.types()


async def test_a_child_that_is_there_already_is_told_as_it_is_now(runtime: Runtime):
    children = runtime.use_cases.children
    wanted: dict[str, Any] = {"agent": AGENT, "ttl_seconds": 60, "child_id": UUID(int=9)}
    await children.spawn(ADA, SESSION_ID, **wanted)
    await runtime.do(c.DescribeSession(fields=frozenset({"title"}), title="Mine"), UUID(int=9))

    again = await children.spawn(ADA, SESSION_ID, **wanted)

    assert not again.changed
    assert (again.answer["session"]["title"], again.answer["session"]["sequence"]) == ("Mine", 2)


async def test_the_same_key_gives_the_first_answer_to_the_byte(runtime: Runtime):
    sessions, forks = runtime.use_cases.sessions, runtime.use_cases.forks
    children = runtime.use_cases.children
    wanted = c.CreateSession(owner=OWNER, title="Plans")

    async def all_of_it() -> list[bytes]:
        created = await sessions.create(once("k"), wanted, [WantedMessage("user", text())])
        forked = await forks.fork(
            once("k"), SESSION_ID, c.CreateSession(owner=Owner(app="", user=""))
        )
        spawned = await children.spawn(once("k2"), SESSION_ID, agent=AGENT, ttl_seconds=60)
        rewound = await sessions.rewind(once("k3"), SESSION_ID, to=1, message_id=None)
        started = await runtime.use_cases.turns.start(once("k4"), SESSION_ID, parts=text())
        outcomes = (created, forked, spawned, rewound, started)
        return [runtime.store.codec.to_json(one._replace(replayed=False)) for one in outcomes]

    first = await all_of_it()
    head = await runtime.store.log.head()

    spawned = await children.spawn(once("k2"), SESSION_ID, agent=AGENT, ttl_seconds=60)
    assert spawned.replayed
    assert await all_of_it() == first
    assert await runtime.store.log.head() == head
    with pytest.raises(IdempotencyKeyReused):
        await sessions.create(once("k", b"another"), wanted)


async def test_a_fork_expects_the_sequence_of_its_origin(runtime: Runtime):
    wanted = c.CreateSession(owner=OWNER)
    with pytest.raises(StaleSequence):
        await runtime.use_cases.forks.fork(
            ADA._replace(expected=frozenset({7})), SESSION_ID, wanted
        )

    made = await runtime.use_cases.forks.fork(
        ADA._replace(expected=frozenset({1})), SESSION_ID, wanted
    )

    assert made.changed
    assert made.session_id != SESSION_ID


async def test_pieces_are_taken_in_a_running_turn_only_and_leave_no_trace(runtime: Runtime):
    pieces = runtime.use_cases.pieces
    piece = SentPiece("agent.message", e.AgentMessage(parts=text("hal")), "hal", offset=0)
    with pytest.raises((TurnNotFound, NoTurnInProgress)):
        await pieces.take(SESSION_ID, "t1", [piece])
    started = await runtime.use_cases.turns.start(ADA, SESSION_ID, parts=text(), turn_id="t1")

    taken = await pieces.take(SESSION_ID, "t1", [piece])

    assert taken.sequence == started.sequence
    (written,) = await partial_reader_over(runtime.store, runtime.fan_out).at(SESSION_ID, 2, "t1")
    assert written.text == "hal"
    assert await runtime.types() == ["session.created", "turn.started"]


async def test_inputs_get_ids_of_their_own(runtime: Runtime):
    queued = await runtime.use_cases.inputs.queue(
        ADA, SESSION_ID, [WantedInput(text()), WantedInput(text(), input_id="mine")], hold=True
    )

    first, second = queued.answer["inputs"]
    assert UUID(first["input_id"])
    assert (second["input_id"], second["queue_position"]) == ("mine", 2)


async def test_shared_keys_are_patched_at_the_version_that_is_expected(runtime: Runtime):
    shared = runtime.use_cases.shared_states
    patched = await shared.patch(ADA, "a", None, set={"app:k": 1})
    stale = ADA._replace(expected=frozenset({patched.version - 1}))

    with pytest.raises(StaleScope):
        await shared.patch(stale, "a", None, set={"app:k": 2})
    with pytest.raises(StaleScope):
        await shared.patch(stale, "a", None, set={})
    current = ADA._replace(expected=frozenset({patched.version}))
    assert (await shared.patch(current, "a", None, set={})).version == patched.version
    assert (await shared.patch(current, "a", None, set={"app:k": 3})).version > patched.version


async def test_one_session_that_cannot_be_deleted_stops_no_other(runtime: Runtime):
    other, missing = await runtime.create(UUID(int=5)), UUID(int=6)
    await runtime.do(c.DeleteSession(), other)
    hidden = await runtime.create(UUID(int=7))

    async def sees(session_id: UUID) -> bool:
        return session_id != hidden

    results = await runtime.use_cases.sessions.delete_many(
        ADA, [SESSION_ID, other, missing, SESSION_ID, hidden], sees
    )

    assert [(one.session_id, one.status, one.code) for one in results] == [
        (SESSION_ID, "deleted", None),
        (other, "already", None),
        (missing, "not_found", SessionNotFound.code),
        (hidden, "not_found", SessionNotFound.code),
    ]


async def test_the_same_persona_has_the_same_digest_whoever_sets_it(runtime: Runtime):
    persona: dict[str, Any] = {"name": "coder", "body": "Be brief.", "profile": {"b": 1, "a": 2}}
    one = await runtime.use_cases.profiles.set(ADA, SESSION_ID, **persona)
    two = await runtime.use_cases.profiles.set(
        ADA, SESSION_ID, **persona, expected_digest=one.answer["digest"]
    )

    assert one.answer == two.answer
    assert (one.changed, two.changed) == (True, False)
