"""How a patch of a shared scope becomes events: its own log, and the rows that sessions share.

    patch → lock of its scope → state → decide, encode, chain → append → wake → answer

A scope is rarely patched, and its log says little beyond its length, so nothing of it is kept in
memory. When another process was faster the append conflicts, and the patch is decided again.
"""

from typing import cast
from uuid import UUID

from application.commands.hooks import Hooks
from application.commands.idempotency import StoredAnswers, stored_answer
from application.commands.records import RecordEncoder
from application.commands.request import Caller, Outcome, ScopeRequest
from application.errors import Busy, KeysTaken, StaleScope, VersionConflict
from application.fan_out import FanOut
from application.ports.clock import Clock
from application.ports.log.append import Append
from application.ports.log.codec import Codec
from application.ports.log.event_log import EventLog
from application.ports.log.events import NewEvent, StoredEvent
from application.ports.session.shared_state import (
    ScopeOwner,
    ScopeVersion,
    SharedState,
    SharedWrite,
)
from application.projections.shared_state import shared_writes, user_scope
from application.scope_turns import ScopeTurns
from domain.log.chain import genesis, link, record_hash
from domain.replacing import replace
from domain.scope.events import ScopeEvent, ScopeOpened
from domain.scope.rules import EraseScope, PatchScope, decide, erase
from domain.scope.state import UNOPENED, Scope, evolve

_ATTEMPTS = 50
_TURNS = ("scope.erased", "scope.opened")


class ScopeHandler:
    """Handles patches of shared scopes.

    Args:
        log: Where events go.
        shared_state: Knows the versions of scopes.
        codec: Writes records, and reads them.
        clock: Tells when a patch is decided.
        answers: What requests with a key were answered.
        fan_out: Who hears of new events.
        largest: The most bytes of one record.
        hooks: Who is asked before a patch is decided.
        patience: Seconds that a patch may wait for those before it.
    """

    def __init__(
        self,
        log: EventLog,
        shared_state: SharedState,
        codec: Codec,
        clock: Clock,
        answers: StoredAnswers,
        fan_out: FanOut,
        *,
        largest: int = 1024 * 1024,
        hooks: Hooks | None = None,
        patience: float = 5.0,
    ) -> None:
        self._log = log
        self._shared_state = shared_state
        self._codec = codec
        self._clock = clock
        self._answers = answers
        self._fan_out = fan_out
        self._hooks = hooks or Hooks()
        self._encode = RecordEncoder(codec, clock, largest=largest)
        self.turns = ScopeTurns(patience)

    async def handle(self, request: ScopeRequest) -> Outcome:
        """Do what is asked, durably, or raise and leave no trace.

        Args:
            request: The patch and who asks.

        Returns:
            The outcome; `version` in its answer is the version of the scope after it.

        Raises:
            StaleScope: The scope is at another version than the caller allows.
            CairnError: A rule refuses it, or it cannot be done now, or not in this way.
        """
        if request.idempotency is None:
            return await self._in_turn(request)
        with self._answers.in_flight(request.idempotency):
            replayed = await self._answers.replay(request.idempotency)
            if replayed is not None:
                return _with_version(replayed)
            return await self._in_turn(request)

    async def erase(self, caller: Caller, command: EraseScope) -> int:
        """Say that a scope is erased, and return the sequence of the event that does.

        Args:
            caller: Who asks.
            command: Which scope, and why.

        Raises:
            CairnError: A rule refuses it, or it cannot be done now.
        """
        scope_id = user_scope(command.app, command.user)
        # For what the record says of who asked.
        asked = caller._replace(key=None).patches(PatchScope(app=command.app, user=command.user))
        async with self.turns.of(scope_id):
            for _ in range(_ATTEMPTS):
                scope, digest, _ = await self._load(scope_id)
                decided = erase(scope, command)
                if not decided:
                    return scope.sequence
                now = self._clock.now()
                name, record = self._encode(asked, now, decided[0], None)
                event = NewEvent(name, record, link(digest, record_hash(record)))
                append = Append(scope_id, scope.sequence, [event], now, app=command.app)
                append.scope = ScopeOwner(command.app, command.user)
                try:
                    position = await self._log.append(append)
                except VersionConflict:
                    continue
                self._fan_out.publish(scope_id, append, position)
                return scope.sequence + 1
        raise Busy("too many processes write to this scope at once; try again")

    async def _in_turn(self, request: ScopeRequest) -> Outcome:
        if self._hooks:
            request = await self._hooks.before(request)
        async with self.turns.of(request.session_id):
            for _ in range(_ATTEMPTS):
                try:
                    return _with_version(await self._patch(request))
                except VersionConflict:
                    continue
                except (KeysTaken, StaleScope):
                    replayed = await self._answers.replay(request.idempotency)
                    if replayed is None:
                        raise
                    return _with_version(replayed)
        raise Busy("too many processes write to this scope at once; try again")

    async def beside(self, request: ScopeRequest) -> Append:
        """Return the append of a patch, to be written together with another one or not at all.

        It takes no turn: whoever writes it has one, or is refused when others were faster.

        Args:
            request: The patch, who asks, and the versions that he allows.

        Raises:
            StaleScope: The scope is at another version than the caller allows.
            CairnError: A rule refuses it.
        """
        if self._hooks:
            request = await self._hooks.before(request)
        append, _, version = await self._made(request)
        append.expected_scopes = (ScopeVersion(append.session_id, version),)
        return append

    async def behind(self, append: Append, request: ScopeRequest) -> Append:
        """Return an append to the log of a scope with the events of a patch behind its own.

        Args:
            append: At least one event.
            request: The patch, who asks, and the versions that he allows.

        Raises:
            StaleScope: The scope is at another version than the caller allows.
            CairnError: A rule refuses it.
        """
        if self._hooks:
            request = await self._hooks.before(request)
        scope_id = append.session_id
        scope, _, _ = await self._load(scope_id)
        for sequence, one in enumerate(append.events, append.before + 1):
            stored = StoredEvent(scope_id, sequence, 0, one.type, one.record, one.digest)
            event = cast("ScopeEvent", self._codec.decode(stored).event)
            scope = evolve(scope, sequence, event)
        made, version = await self._append_of(request, scope, append.events[-1].digest)
        own = len(append.events)
        made.before = append.before
        made.events = [*append.events, *made.events]
        made.shared = [
            *append.shared,
            *(replace(one, offset=one.offset + own) for one in made.shared),
        ]
        made.expected_scopes = (ScopeVersion(scope_id, version),)
        return made

    async def _patch(self, request: ScopeRequest) -> Outcome:
        append, position, version = await self._made(request)
        scope_id, before = append.session_id, append.before
        after, answer = before + len(append.events), {"version": version}
        if request.expected is not None:
            append.expected_scopes = (ScopeVersion(scope_id, version),)
        if request.idempotency is not None:
            append.keys = (
                stored_answer(
                    request,
                    request.idempotency,
                    before=before,
                    after=after,
                    position=position,
                    answer=answer,
                    codec=self._codec,
                ),
            )
        if append.events or append.keys:
            written = await self._log.append(append)
            if append.events:
                position = written
                self._fan_out.publish(scope_id, append, position)
        return Outcome(scope_id, before + 1, after, position, answer)

    async def _made(self, request: ScopeRequest) -> tuple[Append, int, int]:
        """Return what a patch comes to, the position of its log, and the version of the scope."""
        scope, digest, position = await self._load(request.session_id)
        append, version = await self._append_of(request, scope, digest)
        return append, position, version

    async def _append_of(
        self, request: ScopeRequest, scope: Scope, digest: bytes
    ) -> tuple[Append, int]:
        """Return what a patch comes to behind a state, and the version of the scope."""
        scope_id, command = request.session_id, request.command
        decided = decide(scope, command)
        version = (await self._shared_state.scope(scope_id)).version
        if request.expected is not None and version not in request.expected:
            raise StaleScope(None, head=version)
        now = self._clock.now()
        events: list[NewEvent] = []
        shared: list[SharedWrite] = []
        for offset, event in enumerate(decided):
            name, record = self._encode(request, now, event, None)
            digest = link(digest, record_hash(record))
            events.append(NewEvent(name, record, digest))
            shared += shared_writes(command.app, command.user, event, offset, self._codec)
        append = Append(scope_id, scope.sequence, events, now, shared=shared, app=command.app)
        append.scope = ScopeOwner(command.app, command.user)
        return append, version

    async def _load(self, scope_id: UUID) -> tuple[Scope, bytes, int]:
        """Return the state at the end of a scope's log, with the digest and the position there."""
        newest = await self._log.read_newest(scope_id, last=1)
        if not newest:
            return UNOPENED, genesis(scope_id), 0
        (end,) = newest
        # Most often the first event is the one that opened it, and nothing else changed it since.
        (first,) = await self._log.read(scope_id, limit=1)
        opened: object = self._codec.decode(first).event
        erased = False
        if not isinstance(opened, ScopeOpened):
            turns = await self._log.read_newest(scope_id, last=1, types=_TURNS)
            erased = bool(turns) and first.type in _TURNS
            opened = self._codec.decode(turns[0]).event if turns else None
        scope = replace(
            UNOPENED,
            sequence=end.sequence,
            opened=opened if isinstance(opened, ScopeOpened) else None,
            erased=erased,
        )
        return scope, end.digest, end.position


def _with_version(outcome: Outcome) -> Outcome:
    """Return an outcome that says the version after it: that of its last write, if it wrote."""
    if not outcome.changed:
        return outcome
    return outcome._replace(answer={"version": outcome.position})
