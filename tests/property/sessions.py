"""Sessions under any commands, through the real command path, beside a model that is only a fold.

The machine asks two handlers over one store, as two processes would. What each answer must be
follows from the log so far, the rules, and the answers kept for idempotency keys. Children, forks
and the streams of shared scopes join the three sessions that it begins with.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any, ClassVar
from uuid import UUID

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from api.composition.over_store import (
    handler_over,
    queries_over,
    repository_over,
    scope_handler_over,
    transcripts_over,
)
from api.composition.use_cases import forks_over
from application.commands.answers import answer_of
from application.commands.request import Idempotency, Outcome, Request, ScopeRequest
from application.errors import (
    IdempotencyKeyInFlight,
    IdempotencyKeyReused,
    StaleScope,
)
from application.fan_out import FanOut
from application.memory_budget import Share
from application.ports.log.events import StoredEvent
from application.ports.session.listing import SessionFilter, SessionOrder
from application.ports.store import Store
from application.projections.session_document import kept_document, session_document
from application.projections.session_row import session_row
from application.projections.shared_state import app_scope, scope_id, user_scope
from application.reads.query_results import Snapshot
from domain.errors import CairnError
from domain.log.chain import genesis, link, record_hash
from domain.scope import rules as scope_rules
from domain.scope.rules import PatchScope
from domain.scope.state import UNOPENED, Scope
from domain.scope.state import evolve as evolve_scope
from domain.scope.state_keys import scope_of
from domain.session import commands as c
from domain.session import events as e
from domain.session.content.conversation import rewind_to
from domain.session.evolve import fold
from domain.session.family.forks import inherited
from domain.session.state import Session
from domain.values import Owner, SessionLimits
from infrastructure.memory.store import MemoryStore
from infrastructure.records.state_codec import decode_state, encode_state
from tests.property.invariants import check, check_scope
from tests.property.model import Log, Model, refusal_of
from tests.support.aim import aimed
from tests.support.builders import NOON, text
from tests.support.strategies import COMMANDS, ENDINGS, SUITS, commands, option_ids, scope_patches

NIL = UUID(int=0)
_numbers = count(1)

_FACTS = (
    "turn_id",
    "failure_kind",
    "failure_summary",
    "stalled",
    "unhealthy",
    "projected_with",
)


class _Clock:
    """Times and ids that are the same in every run."""

    def __init__(self) -> None:
        self._now = NOON

    def now(self) -> datetime:
        self._now += timedelta(milliseconds=1)
        return self._now

    def new_id(self) -> UUID:
        return UUID(int=next(_numbers))

    def new_name(self) -> str:
        return str(self.new_id())


@dataclass(frozen=True)
class How:
    """In which way a command is sent.

    Args:
        process: To which of the two handlers.
        aim: Whether it is made to fit what is there, or stays as it was made up.
        key: The idempotency key, if any.
        expected: What If-Match says: nothing, the head, or something else.
    """

    process: int = 0
    aim: bool = True
    key: str | None = None
    expected: str = "anything"

    def expected_of(self, head: int) -> frozenset[int] | None:
        """Return what If-Match allows of something that is at `head`."""
        expected = {
            "head": {head},
            "head or another": {head, head + 3},
            "behind": {head - 1},
            "ahead": {head + 1},
        }.get(self.expected)
        return None if expected is None else frozenset(expected)


hows = st.builds(
    How,
    process=st.integers(0, 1),
    aim=st.integers(0, 4).map(bool),
    key=st.none() | st.none() | st.sampled_from(["k1", "k2", "k3", "k4"]),
    expected=st.sampled_from(["anything"] * 12 + ["head", "head or another", "behind", "ahead"]),
)
users = st.sampled_from([None, "ada", "bob"])
which = st.sampled_from([0, 0, 0, 0, 1, 1, 1, 2, 3, 4, 5])
MOST_SESSIONS = 7
_GONE_FOR_GOOD = ("deleted", "erased")
_ALL = 1 << 30
"""Bytes for more states than there are."""


class _Process:
    """What one server process has in memory."""

    def __init__(self, store: Store, kept: int) -> None:
        fan_out = FanOut()
        self.repository = repository_over(store, share=Share("states", kept))
        self.handler = handler_over(store, self.repository, fan_out)
        self.scopes = scope_handler_over(store, fan_out)
        transcripts = transcripts_over(store, share=Share("transcripts", 3 * 4096))
        self.queries = queries_over(store, self.repository, transcripts)
        self.forks = forks_over(store, self.repository, self.handler, self.queries)


@dataclass
class _Kept:
    """A snapshot that a client has taken, and may go on from."""

    session_id: UUID
    snapshot: Snapshot
    position: int = field(default=0)


class Sessions(RuleBasedStateMachine):
    """Three sessions of one app: two of ada, one of bob."""

    place: ClassVar[tuple[asyncio.AbstractEventLoop, Store] | None] = None
    """A loop and a store to run on, for all examples; None makes both anew for each of them."""
    seen: ClassVar[Counter[str]] = Counter()
    lagging: ClassVar[bool] = False
    """Whether a process may have slept while the other one wrote."""

    def __init__(self) -> None:
        super().__init__()
        self.loop, store = self.place or (asyncio.new_event_loop(), MemoryStore())
        kept = {f.name: getattr(store, f.name) for f in fields(Store)}
        self.store = Store(**{**kept, "clock": _Clock()})
        # The first one keeps one state, so that most commands find their session cold.
        self.processes = [_Process(self.store, 1), _Process(self.store, _ALL)]
        self.reader = _Process(self.store, 1)
        self.codec = self.store.codec
        app = f"app-{next(_numbers)}"
        self.owners = [Owner(app=app, user=user) for user in ("ada", "ada", "bob")]
        self.ids = [UUID(int=next(_numbers)) for _ in self.owners]
        self.to_come = [UUID(int=next(_numbers)) for _ in range(MOST_SESSIONS)]
        self.model = Model({session_id: [] for session_id in self.ids})
        self.scopes = {scope_id(app, user): (app, user) for user in (None, "ada", "bob")}
        self.model.logs |= {scope: [] for scope in self.scopes}
        self.start = self.run(self.store.log.head())
        self.checked: dict[UUID, int] = {}
        self.requests: list[Request] = []
        self.patches: list[ScopeRequest] = []
        self.answers: dict[tuple[UUID, str], tuple[Request | ScopeRequest, Outcome]] = {}
        self.kept: list[_Kept] = []

    def run(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    def teardown(self) -> None:
        self.finish()
        if self.place is None:
            self.loop.close()

    def finish(self) -> None:
        """Wait for what nobody waits for: states that are kept, parents and children that end."""
        while chores := [chore for one in self.processes for chore in one.handler._chores]:
            self.run(asyncio.wait(chores))

    @property
    def logs(self) -> dict[UUID, Log]:
        return self.model.logs

    # ── what is asked ────────────────────────────────────────────────────────────────────────

    @initialize(command=COMMANDS[c.CreateSession], how=hows)
    def begin(self, command: c.CreateSession, how: How) -> None:
        self.create(0, command, how)
        self.begin_plainly()

    def begin_plainly(self) -> None:
        small = SessionLimits(queued_inputs=3, children=2, depth=2)
        for at, limits in ((0, None), (1, small)):
            self.ask(at, c.CreateSession(owner=self.owners[at], limits=limits), How())

    @precondition(lambda self: not all(self.logs.values()))
    @rule(at=which, command=COMMANDS[c.CreateSession], how=hows)
    def create(self, at: int, command: c.CreateSession, how: How) -> None:
        at = self.there(at)
        owner = self.owners[at] if how.aim else self.owners[-at]
        if how.aim:
            tags = tuple(dict.fromkeys(command.tags))
            command = replace(command, messages=(), tags=tags, type="user", lineage=None)
        self.ask(at, replace(command, owner=owner), how)

    @rule(at=which, command=commands, how=hows)
    def do_anything(self, at: int, command: Any, how: How) -> None:
        ends = isinstance(command, ENDINGS)
        if ends and (self.log_of(at)[5:] == [] or at == 0):
            command = c.ResumeSession()
        self.ask(at, self.aimed(at, command) if how.aim else command, how)

    @rule(at=which, kind=st.sampled_from(sorted(COMMANDS, key=str)), data=st.data(), how=hows)
    def set_the_scene(self, at: int, kind: type, data: st.DataObject, how: How) -> None:
        at = 1 if kind in (c.DeleteSession, c.EraseSession) else at
        self.play(at, data.draw(COMMANDS[kind], label="command"), how)

    def play(self, at: int, command: Any, how: How) -> None:
        """Do what makes it likely that a command is accepted, and then that."""
        before = (c.ResumeSession(), c.ActivateSession(), *SUITS.get(type(command), ()))
        for one in before if self.log_of(at) else ():
            self.ask(at, self.aimed(at, one), How(how.process))
        self.ask(at, self.aimed(at, command), replace(how, expected="anything"))

    @rule(at=which, process=st.integers(0, 1), back=st.integers(0, 12), how=hows)
    def fork(self, at: int, process: int, back: int, how: How) -> None:
        origin = self.ids[self.there(at)]
        past = self.logs[origin]
        if not self.to_come or not past or self.model.state(origin).status in _GONE_FOR_GOOD:
            return
        sequence = max(len(past) - back, 1)
        owner = self.model.state(origin).lifecycle.owner
        work = self.processes[process].forks.forked(origin, sequence, c.CreateSession(owner=owner))
        command, inherits = self.run(work)
        assert inherits == self.inherited(origin, sequence)
        request = self.request(at, command, replace(how, expected="anything", key=None))
        self.send([request._replace(session_id=self.to_come.pop(), inherits=inherits)], process)

    @rule(at=which, how=hows, known=st.booleans())
    def start_a_turn(self, at: int, how: How, known: bool) -> None:
        message = text("do it")
        self.ask(at, self.aimed(at, c.StartTurn(turn_id="", message_id="", parts=message)), how)
        if known:
            called = e.ToolCalled(tool_call_id="c1", name="ls")
            self.ask(
                at, self.aimed(at, c.RecordActivity(turn_id="", events=(called,))), How(how.process)
            )

    @precondition(lambda self: self.running())
    @rule(data=st.data(), command=COMMANDS[c.RecordActivity], how=hows)
    def record_activity(self, data: st.DataObject, command: c.RecordActivity, how: How) -> None:
        at = data.draw(st.sampled_from(self.running()), label="session")
        self.ask(at, self.aimed(at, command) if how.aim else command, how)

    @precondition(lambda self: self.running())
    @rule(
        data=st.data(),
        command=COMMANDS[c.RequestPermission],
        how=hows,
        answer=st.none() | option_ids,
    )
    def ask_permission(
        self, data: st.DataObject, command: c.RequestPermission, how: How, answer: str | None
    ) -> None:
        at = data.draw(st.sampled_from(self.running()), label="session")
        self.ask(at, self.aimed(at, command), how)
        waiting = self.state_of(at).interactions.pending
        if answer is not None and waiting:
            decision = c.DecidePermission(request_id=min(waiting), option_id=answer)
            self.ask(at, decision, How(how.process))

    @precondition(lambda self: self.waiting())
    @rule(data=st.data(), command=COMMANDS[c.DecidePermission], how=hows)
    def decide_permission(self, data: st.DataObject, command: c.DecidePermission, how: How) -> None:
        at = data.draw(st.sampled_from(self.waiting()), label="session")
        self.ask(at, self.aimed(at, command) if how.aim else command, how)

    @precondition(lambda self: self.running())
    @rule(data=st.data(), how=hows)
    def end_a_turn(self, data: st.DataObject, how: How) -> None:
        at = data.draw(st.sampled_from(self.running()), label="session")
        end = st.one_of(*(COMMANDS[kind] for kind in (c.CompleteTurn, c.FailTurn, c.CancelTurn)))
        self.ask(at, self.aimed(at, data.draw(end, label="end")), how)

    @rule(at=which, command=COMMANDS[c.PatchState], how=hows)
    def patch_state(self, at: int, command: c.PatchState, how: How) -> None:
        self.ask(at, command, how)

    @precondition(lambda self: self.requests)
    @rule(data=st.data(), process=st.integers(0, 1))
    def send_again(self, data: st.DataObject, process: int) -> None:
        request = data.draw(st.sampled_from(self.requests[-8:]), label="again")
        self.send([request], process)

    @precondition(lambda self: self.answers)
    @rule(data=st.data(), command=commands, at=which)
    def use_a_key_again_for_something_else(
        self, data: st.DataObject, command: Any, at: int
    ) -> None:
        scope, key = data.draw(st.sampled_from(list(self.answers)), label="key")
        other = Idempotency(scope=scope, key=key, fingerprint=b"?" * 32)
        self.send([self.request(at, command, How(), other)], 0)

    @rule(at=which, many=st.lists(st.tuples(commands, hows), min_size=2, max_size=4))
    def do_several_at_once(self, at: int, many: Sequence[tuple[Any, How]]) -> None:
        requests = [self.request(at, self.aimed(at, command), how) for command, how in many]
        self.send(requests, many[0][1].process)

    # Which process is first cannot be foreseen on a real database.
    @precondition(lambda self: self.place is None)
    @rule(at=which, many=st.lists(st.tuples(commands, hows), min_size=2, max_size=5))
    def race(self, at: int, many: Sequence[tuple[Any, How]]) -> None:
        """Both processes take commands to one session at the same moment."""
        requests = [self.request(at, self.aimed(at, command), how) for command, how in many]
        before = {one: len(log) for one, log in self.logs.items()}
        answers = self.run(
            _all([self.ask_of(n % 2, request) for n, request in enumerate(requests)])
        )
        self.finish()
        self.run(self.read())
        claimed: list[tuple[UUID, int]] = []
        for request, answer in zip(requests, answers, strict=True):
            if isinstance(answer, Outcome) and not answer.replayed:
                mine = range(answer.first_sequence, answer.sequence + 1)
                claimed += [(request.session_id, sequence) for sequence in mine]
            if isinstance(answer, Outcome):
                self.learn(request, answer)
        made = [
            (one, recorded.sequence)
            for one, log in self.logs.items()
            for recorded in log[before.get(one, len(log)) :]
            if not self.is_by_itself(one, recorded)
        ]
        assert sorted(claimed) == sorted(made)
        type(self).seen["race"] += bool(made)

    @rule(process=st.integers(0, 1))
    def restart(self, process: int) -> None:
        self.processes[process] = _Process(self.store, [1, _ALL][process])

    @rule(at=which)
    def take_a_snapshot(self, at: int) -> None:
        session_id = self.ids[self.there(at)]
        if self.state_of(at).lifecycle.phase not in ("absent", *_GONE_FOR_GOOD):
            snapshot = self.run(self.reader.queries.snapshot(session_id))
            self.kept = [*self.kept[-2:], _Kept(session_id, snapshot)]

    # ── how it is asked, and what must come of it ────────────────────────────────────────────

    def there(self, at: int) -> int:
        """Return the index of a session that is known."""
        return at if at < len(self.ids) else at % 2

    def log_of(self, at: int) -> Log:
        return self.logs[self.ids[self.there(at)]]

    def state_of(self, at: int) -> Session:
        return self.model.state(self.ids[self.there(at)])

    def running(self) -> list[int]:
        return [at for at in range(len(self.ids)) if self.state_of(at).turns.running is not None]

    def waiting(self) -> list[int]:
        return [at for at in range(len(self.ids)) if self.state_of(at).interactions.pending]

    def inherited(self, origin: UUID, sequence: int) -> Session:
        return inherited(self.model.past(origin, sequence))

    def aimed(self, at: int, command: Any) -> Any:
        """Return a command made to fit what is there."""
        fitted = aimed(command, self.state_of(at))
        if isinstance(fitted, c.RewindConversation):
            fitted = replace(fitted, to=fitted.to % (len(self.log_of(at)) + 1))
        if isinstance(fitted, c.SpawnSession):
            # Now and then the id of a session that there is.
            taken = fitted.ttl_seconds % 7 == 0 or not self.to_come
            fitted = replace(fitted, child_id=self.ids[0] if taken else self.to_come[-1])
        return fitted

    def completed(self, at: int, command: Any) -> Any:
        """Return a command with what the doors add to it."""
        session_id = self.ids[self.there(at)]
        if isinstance(command, c.CreateSession) and command.owner not in self.owners:
            return replace(command, owner=self.owners[self.there(at)])
        if isinstance(command, c.RewindConversation):
            to = min(max(command.to, 0), len(self.logs[session_id]))
            known = rewind_to(to, self.model.past(session_id, to))
            return replace(known, to=command.to)
        if isinstance(command, c.SpawnSession | c.ReapChild | c.RestoreChild):
            # What was made up are not the ids of this run.
            known = [*self.to_come, *self.ids]
            if command.child_id not in known:
                command = replace(command, child_id=known[command.child_id.int % len(known)])
        if isinstance(command, c.SpawnSession):
            return replace(command, parent_id=session_id)
        return command

    def request(
        self, at: int, command: Any, how: How, idempotency: Idempotency | None = None
    ) -> Request:
        command = self.completed(at, command)
        session_id = self.ids[self.there(at)]
        if how.key is not None:
            scope = NIL if isinstance(command, c.CreateSession) else session_id
            key = f"{self.owners[0].app}-{how.key}"
            idempotency = Idempotency(scope=scope, key=key, fingerprint=self.fingerprint(command))
        return Request(
            session_id=session_id,
            command=command,
            actor="user:ada",
            expected=how.expected_of(len(self.logs[session_id])),
            idempotency=idempotency,
        )

    def fingerprint(self, command: Any) -> bytes:
        for request in (*self.requests, *self.patches):
            if request.idempotency is not None and request.command == command:
                return request.idempotency.fingerprint
        return next(_numbers).to_bytes(32)

    def ask(self, at: int, command: Any, how: How) -> None:
        self.send([self.request(at, command, how)], how.process)

    async def ask_of(self, process: int, request: Request | ScopeRequest) -> Outcome | Exception:
        asked = self.processes[process]
        try:
            if isinstance(request, ScopeRequest):
                return await asked.scopes.handle(request)
            return await asked.handler.handle(request)
        except CairnError as refusal:
            return refusal

    def send(self, requests: Sequence[Request], process: int) -> None:
        """Have one process handle requests together, and compare each answer with the model's."""
        answers = self.run(_all([self.ask_of(process, request) for request in requests]))
        in_flight: set[tuple[UUID, str]] = set()
        for request, answer in zip(requests, answers, strict=True):
            place = _place(request)
            if isinstance(answer, IdempotencyKeyInFlight):
                # Or the first one had its answer by then.
                assert place in in_flight
                type(self).seen["in flight"] += 1
                continue
            if place is not None:
                in_flight.add(place)
            self.compare(request, answer)
        self.finish()
        self.run(self.read())

    def compare(self, request: Request, answer: Outcome | Exception) -> None:
        log = self.logs.setdefault(request.session_id, [])
        before = len(log)
        what = type(request.command).__name__
        refusal = refusal_of(self.model, request)
        if self.was_answered_before(request, answer):
            return
        if refusal is not None:
            assert type(answer) is type(refusal), (answer, refusal)
            assert answer.facts == refusal.facts
            type(self).seen[f"{what} refused"] += 1
            type(self).seen[type(refusal).__name__] += 1
            return
        assert isinstance(answer, Outcome), answer
        decided = self.model.decided(request)
        assert not answer.replayed
        assert answer.session_id == request.session_id
        assert (answer.first_sequence, answer.sequence) == (before + 1, before + len(decided))
        upto = {request.session_id: answer.sequence}
        if decided and isinstance(request.command, c.SpawnSession):
            upto[request.command.child_id] = 1
            self.to_come = [one for one in self.to_come if one != request.command.child_id]
        self.run(self.read(upto=upto))
        made = [recorded.event for recorded in log[before:]]
        assert made == decided
        if decided:
            assert answer.position == self.positions[request.session_id, answer.sequence]
        told = self.model.told(request, decided)
        assert answer.answer == answer_of(request, told, decided)
        self.learn(request, answer)
        type(self).seen[f"{what} accepted" if decided else f"{what} already so"] += 1

    def was_answered_before(
        self, request: Request | ScopeRequest, answer: Outcome | Exception
    ) -> bool:
        """Return whether a request has the key of another one, whose answer it must then have."""
        place = _place(request)
        if place not in self.answers:
            return False
        first, kept = self.answers[place]
        same = first.idempotency.fingerprint == request.idempotency.fingerprint
        if same:
            assert self.codec.to_json(answer.answer) == self.codec.to_json(kept.answer)
            assert answer == kept._replace(
                replayed=True, position=answer.position, answer=answer.answer
            )
            assert answer.position == kept.position or not kept.changed
        else:
            assert isinstance(answer, IdempotencyKeyReused)
        type(self).seen["replayed" if same else "key reused"] += 1
        return True

    # ── shared scopes ────────────────────────────────────────────────────────────────────────

    def patch_of(self, command: PatchScope, user: str | None, how: How) -> ScopeRequest:
        def named(key: str) -> str:
            return key if user is None else key.replace("app:", "user:")

        command = replace(
            command,
            app=self.owners[0].app,
            user=user,
            set={named(key): value for key, value in command.set.items()},
            delete=tuple(map(named, command.delete)),
        )
        scope, idempotency = scope_id(command.app, user), None
        if how.key is not None:
            key = f"{command.app}-{how.key}"
            idempotency = Idempotency(scope=scope, key=key, fingerprint=self.fingerprint(command))
        expected = how.expected_of(self.version(scope))
        return ScopeRequest(command, "user:ada", expected=expected, idempotency=idempotency)

    def version(self, scope: UUID) -> int:
        """Return the position of the newest write to a shared scope, whoever made it."""
        writes = (
            one.position for one in self.stored for where, _, _ in self.shared_by(one)
            if where == scope
        )  # fmt: skip
        return max(writes, default=0)

    @rule(command=scope_patches, user=users, how=hows, again=st.integers(0, 4))
    def patch_shared_keys(
        self, command: PatchScope, user: str | None, how: How, again: int
    ) -> None:
        request = self.patch_of(command, user, how)
        if self.patches and not again:
            request = self.patches[-1]
        scope = request.session_id
        log, version = list(self.logs[scope]), self.version(scope)
        answer = self.run(self.ask_of(how.process, request))
        self.run(self.read())
        made = [recorded.event for recorded in self.logs[scope][len(log) :]]
        if self.was_answered_before(request, answer):
            assert not made
            return
        refused: type[Exception] | None = None
        decided: Sequence[Any] = ()
        try:
            decided = scope_rules.decide(self.scope_after(log), request.command)
            if request.expected is not None and version not in request.expected:
                refused = StaleScope
        except CairnError as refusal:
            refused = type(refusal)
        if refused is not None:
            assert (type(answer), made) == (refused, [])
            type(self).seen["PatchScope refused"] += 1
            return
        assert made == list(decided)
        assert isinstance(answer, Outcome), answer
        assert (answer.first_sequence, answer.sequence) == (len(log) + 1, len(log) + len(made))
        assert answer.answer == {"version": self.version(scope)}
        if made:
            assert answer.position == self.version(scope) == self.positions[scope, answer.sequence]
        place = _place(request)
        if place is not None:
            self.answers[place] = (request, answer)
            self.patches.append(request)
        type(self).seen["PatchScope accepted" if made else "PatchScope already so"] += 1

    # Which process is first cannot be foreseen on a real database.
    @precondition(lambda self: self.place is None)
    @rule(many=st.lists(scope_patches, min_size=2, max_size=5), user=users)
    def race_for_shared_keys(self, many: Sequence[PatchScope], user: str | None) -> None:
        """Both processes patch one scope at the same moment."""
        requests = [self.patch_of(one, user, How()) for one in many]
        scope = requests[0].session_id
        before = len(self.logs[scope])
        answers = self.run(
            _all([self.ask_of(n % 2, request) for n, request in enumerate(requests)])
        )
        self.run(self.read())
        claimed = [
            sequence
            for answer in answers
            if isinstance(answer, Outcome)
            for sequence in range(answer.first_sequence, answer.sequence + 1)
        ]
        assert sorted(claimed) == list(range(before + 1, len(self.logs[scope]) + 1))
        type(self).seen["race for shared keys"] += bool(claimed)

    def scope_after(self, log: Log) -> Scope:
        scope = UNOPENED
        for recorded in log:
            event: Any = recorded.event
            scope = evolve_scope(scope, recorded.sequence, event)
        return scope

    def learn(self, request: Request, answer: Outcome) -> None:
        place = _place(request)
        if place is not None and place not in self.answers and not answer.replayed:
            self.answers[place] = (request, answer)
            self.requests.append(request)

    # ── what is always true ──────────────────────────────────────────────────────────────────

    @invariant()
    def everything_is_as_it_must_be(self) -> None:
        self.run(self.check())

    async def check(self) -> None:
        await self.read()
        grown = [one for one, log in self.logs.items() if self.checked.get(one, 0) < len(log)]
        self.the_log_is_sound(grown)
        if not self.lagging:
            await self.every_process_knows_the_same_state_and_it_is_the_fold_of_the_log(grown)
        await self.every_row_is_the_fold_of_its_log(grown)
        self.checked = {one: len(log) for one, log in self.logs.items()}
        await self.shared_keys_are_seen_by_all_who_share_them_at_once()
        for kept in self.kept:
            await self.a_snapshot_and_the_tail_after_it_are_the_snapshot_now(kept)

    async def read(self, upto: dict[UUID, int] | None = None) -> None:
        """Read the whole log anew; what was there before must still be there."""
        head = await self.store.log.head()
        stored: Sequence[StoredEvent] = (
            await self.store.log.read_all(after=self.start, upto=head, limit=100_000)
        ).events
        assert [one.position for one in stored] == list(range(self.start + 1, head + 1))
        self.stored = stored
        self.positions = {(one.session_id, one.sequence): one.position for one in stored}
        self.by_session: dict[UUID, list[StoredEvent]] = {}
        for one in stored:
            self.by_session.setdefault(one.session_id, []).append(one)
        for session_id, mine in self.by_session.items():
            known = self.logs.setdefault(session_id, [])
            log = [self.codec.decode(one) for one in mine]
            assert log[: len(known)] == known
            end = (upto or {}).get(session_id, len(known) if upto is not None else len(log))
            known[:] = log[:end]
            if known and session_id not in self.ids and session_id not in self.scopes:
                self.ids.append(session_id)
                self.owners.append(self.model.state(session_id).lifecycle.owner)

    def is_by_itself(self, session_id: UUID, recorded: e.Recorded) -> bool:
        """Return whether nobody asked for an event: a child ended with its parent, or was counted
        out by it."""
        record = self.by_session[session_id][recorded.sequence - 1].record
        return bool(self.codec.from_json(record)["origin"] == "lineage")

    def the_log_is_sound(self, grown: Sequence[UUID]) -> None:
        for session_id in grown:
            digest, log = genesis(session_id), self.logs[session_id]
            for one in self.by_session[session_id]:
                digest = link(digest, record_hash(one.record))
                assert one.digest == digest
            assert [one.at for one in log] == sorted(one.at for one in log)
            if session_id in self.scopes:
                check_scope(log)
            else:
                check(log, self.model.begin(session_id))

    async def every_process_knows_the_same_state_and_it_is_the_fold_of_the_log(
        self, grown: Sequence[UUID]
    ) -> None:
        for session_id in grown:
            if session_id in self.scopes:
                continue
            log = self.logs[session_id]
            state = self.model.past(session_id, len(log))
            assert self.model.state(session_id) == state
            assert decode_state(encode_state(state)) == state
            half = len(log) // 2
            assert fold(log[half:], self.model.past(session_id, half)) == state
            for process in self.processes:
                loaded = await process.repository.load(session_id)
                assert loaded.session == state
                if log:
                    assert loaded.position == self.positions[session_id, len(log)]

    async def every_row_is_the_fold_of_its_log(self, grown: Sequence[UUID]) -> None:
        for session_id in grown:
            log = self.logs[session_id]
            row = await self.store.session_rows.session(session_id)
            if session_id in self.scopes:
                assert row is None
                continue
            assert row is not None
            state = self.model.state(session_id)
            assert (row.sequence, row.status) == (len(log), state.status)
            assert row.position == self.positions[session_id, len(log)]
            assert row.updated_at == log[-1].at
            assert row.created_at == state.lifecycle.created_at
            assert row.doc.encode() == self.document(session_id, state)
            assert row.digest == self.by_session[session_id][-1].digest
            made = session_row(session_id, state, self.codec)
            for fact in _FACTS:
                assert getattr(row, fact) == getattr(made, fact), fact
        there = [one for one in self.ids if self.logs[one]]
        shown = [one for one in there if self.model.state(one).status not in _GONE_FOR_GOOD]
        order = sorted(shown, key=lambda one: (self.logs[one][-1].at, one), reverse=True)
        assert await self.listed() == order
        for parent in there:
            mine = [one for one in order if self.parent_of(one) == parent]
            assert await self.listed(parent=parent) == mine

    def document(self, session_id: UUID, state: Session) -> bytes:
        return self.codec.to_json(kept_document(session_id, state))

    def parent_of(self, session_id: UUID) -> UUID | None:
        lineage = self.model.state(session_id).lifecycle.lineage
        return lineage.parent_id if lineage else None

    async def listed(self, **filters: Any) -> list[UUID]:
        where = SessionFilter(app=self.owners[0].app, **filters)
        rows = await self.store.session_rows.sessions(where, SessionOrder(), None, 100)
        return [row.session_id for row in rows]

    async def shared_keys_are_seen_by_all_who_share_them_at_once(self) -> None:
        scopes: dict[UUID, dict[str, Any]] = {}
        for one in self.stored:
            for scope, key, value in self.shared_by(one):
                scopes.setdefault(scope, {}).pop(key, None)
                if value is not _GONE:
                    scopes[scope][key] = value
        for at, session_id in enumerate(self.ids):
            state, owner = self.state_of(at), self.state_of(at).lifecycle.owner
            if state.lifecycle.phase in ("absent", *_GONE_FOR_GOOD):
                continue
            _, seen = await self.reader.queries.state(session_id)
            app = scopes.get(app_scope(owner.app), {})
            user = scopes.get(user_scope(owner.app, owner.user), {})
            assert seen == {**state.state, **app, **user}
            type(self).seen["shared"] += bool(app) and bool(user)

    def shared_by(self, one: StoredEvent) -> Iterator[tuple[UUID, str, Any]]:
        if one.type not in ("session.created", "state.patched"):
            return
        event = self.codec.decode(one).event
        match event:
            case e.SessionCreated(state=written) | e.StatePatched(set=written):
                changes: dict[str, Any] = dict(written)
            case _:
                return
        app, user = self.scopes.get(one.session_id) or self.first_owner(one.session_id)
        if isinstance(event, e.StatePatched):
            changes |= dict.fromkeys(event.delete, _GONE)
        for key, value in changes.items():
            match scope_of(key):
                case "app":
                    yield app_scope(app), key, value
                case "user":
                    assert user is not None
                    yield user_scope(app, user), key, value

    def first_owner(self, session_id: UUID) -> tuple[str, str]:
        """Return app and user of a session, also of one that is erased by now."""
        first: Any = self.codec.decode(self.by_session[session_id][0]).event
        return first.owner.app, first.owner.user

    async def a_snapshot_and_the_tail_after_it_are_the_snapshot_now(self, kept: _Kept) -> None:
        session_id, then = kept.session_id, kept.snapshot
        log = self.logs[session_id]
        assert self.transcript(session_id, then.sequence) == list(then.transcript)
        state = fold(log[then.sequence :], then.session)
        assert state == self.model.state(session_id)
        if state.status in _GONE_FOR_GOOD:
            return
        now = await self.reader.queries.snapshot(session_id)
        assert (now.session, now.sequence) == (state, len(log))
        assert now.document == session_document(session_id, state)
        assert self.transcript(session_id, len(log)) == list(now.transcript)
        again = await self.reader.queries.snapshot(session_id, then.sequence)
        assert _plain(again) == _plain(then) or _only_newer_shared_keys(again, then)
        type(self).seen["state moved on"] += state != then.session
        type(self).seen["transcript moved on"] += list(now.transcript) != list(then.transcript)

    def transcript(self, session_id: UUID, sequence: int) -> list[bytes]:
        entries = self.model.transcript(session_id, sequence).entries
        return [self.codec.to_json(entry) for entry in entries]


_GONE = object()


def _place(request: Request | ScopeRequest) -> tuple[UUID, str] | None:
    given = request.idempotency
    return None if given is None else (given.scope, given.key)


async def _all(work: Sequence[Any]) -> list[Any]:
    return list(await asyncio.gather(*work))


def _plain(snapshot: Snapshot) -> Any:
    return (
        msgspec.to_builtins(
            (snapshot.document, snapshot.sequence, snapshot.position, list(snapshot.transcript)),
            str_keys=False,
        ),
        snapshot.session,
        snapshot.state,
    )


def _only_newer_shared_keys(again: Snapshot, then: Snapshot) -> bool:
    """A snapshot of the newest state has the shared keys of that moment, which a sibling may have
    written after the session's own last event."""
    return _plain(replace(again, state={})) == _plain(replace(then, state={})) and {
        key: value for key, value in again.state.items() if scope_of(key) == "session"
    } == {key: value for key, value in then.state.items() if scope_of(key) == "session"}
