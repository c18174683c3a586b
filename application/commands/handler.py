"""How a command becomes events.

    command → queue of its session → state → decide, encode, chain → append → wake → answer

Commands to one session wait for each other in its queue. Those that wait together are decided one
after the other and appended together, each still accepted or refused by itself. When another
process has written to the same session, the append conflicts, and the commands are decided again
on what it wrote. This is the only place that retries.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any
from uuid import UUID

from application.commands.answers import answer_of
from application.commands.blob_naming import BlobNaming, names_blobs
from application.commands.decide_batch import BatchDecider, DecidedBatch
from application.commands.hooks import Hooks
from application.commands.idempotency import StoredAnswers
from application.commands.reactions import REACTIONS, Reaction
from application.commands.repository import SessionRepository
from application.commands.request import Idempotency, Outcome, Request
from application.commands.retrying import ATTEMPTS, Retrying, never_done
from application.commands.session_queue import (
    PendingCommand,
    QueueLimits,
    SessionQueue,
    put_back,
    still_waiting,
)
from application.commands.settling import Settling, refuse_all, settle
from application.commands.states.kept_states import is_due
from application.errors import (
    BlobMissing,
    HookDenied,
    HookFailed,
    KeysTaken,
    ReceivedBefore,
    SignaturesSeen,
    VersionConflict,
)
from application.fan_out import FanOut
from application.patience import SharedPatience, Waited, left_of, waited, waiting
from application.ports.blobs.naming import BlobNames
from application.ports.log.append import Appender
from application.tasks import take_error
from domain.errors import CairnError
from domain.session.decide import decide


class CommandHandler:
    """Handles commands.

    Args:
        log: Where events go.
        repository: Loads the states that commands are decided on.
        decider: Decides them.
        answers: What requests with a key were answered.
        blobs: Where it is noted which ones commands name.
        fan_out: Who hears of new events.
        waiting: How much may wait for one session, and how long.
        hooks: Who is asked before a command is decided.
        reactions: What follows an append.
    """

    def __init__(
        self,
        log: Appender,
        repository: SessionRepository,
        decider: BatchDecider,
        answers: StoredAnswers,
        blobs: BlobNames,
        fan_out: FanOut,
        *,
        waiting: QueueLimits | None = None,
        hooks: Hooks | None = None,
        reactions: Sequence[Reaction] = REACTIONS,
    ) -> None:
        self._log = log
        self._repository = repository
        self._decider = decider
        self._answers = answers
        self._fan_out = fan_out
        self._waiting = waiting or QueueLimits()
        self._hooks = hooks or None
        self._reactions = reactions
        self._settling = Settling(answers)
        self._retrying = Retrying(repository, self._settling)
        self._blobs = BlobNaming(blobs, repository, self._do)
        self._queues: dict[int, SessionQueue | None] = {}
        """What waits for each session that is served; None before the first waits. By the numbers
        that ids are: Python code compares UUIDs, and hashes them."""
        self._chores: set[asyncio.Task[object]] = set()
        self._signed: set[bytes] = set()

    def handle(self, request: Request) -> Coroutine[Any, Any, Outcome]:
        """Do what is asked, durably, or raise and leave no trace.

        Args:
            request: The command and who asks.

        Raises:
            CairnError: A rule refuses it, or it cannot be done now, or not in this way.
            ReceivedBefore: Another request had its signature.
        """
        by = request.signed
        return self._handle(request) if by is None else self._handle_once(request, by.hashed)

    async def _handle_once(self, request: Request, hashed: bytes) -> Outcome:
        if hashed in self._signed:
            raise ReceivedBefore
        self._signed.add(hashed)
        try:
            return await self._handle(request)
        finally:
            self._signed.discard(hashed)

    def _handle(self, request: Request) -> Coroutine[Any, Any, Outcome]:
        if self._hooks is None and not names_blobs(request):
            return self._answered(request)
        return self._prepared(request)

    async def _prepared(self, request: Request) -> Outcome:
        """Look at what a request brings along or names before it waits for its session."""
        if request.inherits is not None:
            size = await self._repository.weight_of(request.inherits)
            request = request._replace(inherits_bytes=size)
        if self._hooks is not None:
            try:
                request = await self._hooks.before(request)
            except (HookDenied, HookFailed):
                # What was done before they said no, stays done.
                done = await self.replay(request.idempotency) or await self._already_so(request)
                if done is None:
                    raise
                return done
        if not names_blobs(request):
            return await self._answered(request)
        try:
            async with self._blobs.noted(request) as noted:
                return await self._answered(noted)
        except BlobMissing:
            # What was done while it was there, stays done.
            done = await self.replay(request.idempotency) or await self._already_so(request)
            if done is None:
                raise
            return done

    def _answered(self, request: Request) -> Coroutine[Any, Any, Outcome]:
        key = request.idempotency
        return self._enqueue(request) if key is None else self._enqueue_by_key(request, key)

    async def _enqueue_by_key(self, request: Request, key: Idempotency) -> Outcome:
        with self._answers.in_flight(key):
            return await self._enqueue(request)

    async def replay(self, idempotency: Idempotency | None) -> Outcome | None:
        """Return the stored answer of an earlier request with the same key, if there was one.

        Args:
            idempotency: The key; None gives None.

        Raises:
            IdempotencyKeyReused: The earlier request was another one.
        """
        return await self._answers.replay(idempotency)

    async def _enqueue(self, request: Request) -> Outcome:
        loop = asyncio.get_running_loop()
        pending = PendingCommand(request, loop.create_future(), loop.time() - waited())
        session_id, queues = request.session_id, self._queues
        if session_id.int not in queues:
            # Served right here when nothing else is: a task would double what waiting costs.
            queues[session_id.int] = None
            await self._serve(session_id, [pending])
            return await pending.done
        queue = queues[session_id.int]
        if queue is None:
            queue = queues[session_id.int] = SessionQueue(self._waiting)
        queue.add(pending)
        alarm = loop.call_later(left_of(self._waiting.patience), pending.give_up)
        try:
            with waiting():
                return await pending.done
        finally:
            alarm.cancel()

    async def _serve_later(self, session_id: UUID, batch: list[PendingCommand]) -> None:
        # Each command has an alarm of its own, so the batch may take the patience of the youngest.
        youngest = max(pending.since for pending in batch)
        with SharedPatience(Waited(asyncio.get_running_loop().time() - youngest)):
            await self._serve(session_id, still_waiting(batch))

    async def _serve(self, session_id: UUID, batch: list[PendingCommand]) -> None:
        """Decide and append commands, then leave those that have come meanwhile to a task."""
        repository, conflicts, attempts = self._repository, list[int](), 0
        try:
            while batch:
                attempts += 1
                if attempts > ATTEMPTS:
                    raise never_done(conflicts)
                loaded = repository.cached(session_id)
                if loaded is None:
                    loaded = await repository.refresh(session_id)
                    batch = still_waiting(batch)
                decided = await self._decider.decide(session_id, loaded, batch)
                append = decided.append
                if not append.events and await self._retrying.is_needed(decided, conflicts):
                    batch = put_back(batch)
                    continue
                if append.events or append.keys or append.signatures:
                    append.waited = asyncio.get_running_loop().time() - batch[0].since
                    try:
                        position = await self._log.append(append)
                    except (VersionConflict, KeysTaken, SignaturesSeen) as why:
                        batch = await self._retrying.left_of(batch, decided, why, conflicts)
                        continue
                    self._tell(decided, position)
                repository.cache(session_id, decided.after)
                for pending, refusal in settle(decided):
                    await self._settling.refuse(pending, refusal)
                batch = decided.left and put_back(decided.left)
                conflicts, attempts = [], 0
        except Exception as error:  # noqa: BLE001 - it is the answer of those who wait
            repository.forget(session_id)
            refuse_all(batch, error)
        except asyncio.CancelledError:
            # Whether it was written is not known here any more: it must not be written again.
            repository.forget(session_id)
            refuse_all(batch, asyncio.CancelledError())
            raise
        finally:
            queue = self._queues[session_id.int]
            if queue:
                self._do(self._serve_later(session_id, queue.take()))
            else:
                del self._queues[session_id.int]

    def _tell(self, decided: DecidedBatch, position: int) -> None:
        """Publish what was written, keep the state if that is due, and begin what follows."""
        append, before, after = decided.append, decided.before.session, decided.after
        session_id = append.session_id
        for signed in append.signatures:
            signed.is_kept = True
        if not append.events:
            return
        after.position = position
        self._fan_out.publish(session_id, append, position)
        if is_due(before, after.session):
            self._do(self._repository.save(session_id, after.session))
        for reaction in self._reactions:
            for request in reaction(session_id, before, after.session):
                self._do(self._enqueue(request))

    async def _already_so(self, request: Request) -> Outcome | None:
        """Return the outcome of a request that changes nothing; None when it would."""
        if request.expected is not None:
            return None
        loaded = await self._repository.load(request.session_id)
        session = loaded.session
        try:
            if decide(session, request.command):
                return None
        except CairnError:
            return None
        answer = answer_of(request, session, ())
        return Outcome(
            request.session_id, session.sequence + 1, session.sequence, loaded.position, answer
        )

    def _do(self, chore: Coroutine[Any, Any, object]) -> None:
        """Have something done that nobody waits for."""
        with SharedPatience(None):
            task = asyncio.create_task(chore)
        self._chores.add(task)
        task.add_done_callback(self._forget_chore)

    def _forget_chore(self, task: asyncio.Task[object]) -> None:
        self._chores.discard(task)
        take_error(task)  # a state that was not kept costs a longer fold, nothing else
