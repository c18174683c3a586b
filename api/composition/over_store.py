"""What handles commands, reads and exports, put together over a store: each gets what it uses."""

from collections.abc import Awaitable, Callable, Sequence

from application.commands.access_handler import AccessHandler
from application.commands.decide_batch import BatchDecider
from application.commands.handler import CommandHandler
from application.commands.hooks import Hooks
from application.commands.idempotency import StoredAnswers
from application.commands.repository import SessionRepository
from application.commands.scope_handler import ScopeHandler
from application.commands.session_queue import QueueLimits
from application.erasure.erasing import BY_ITSELF, Erasing
from application.erasure.keys_in_force import KeysInForce
from application.erasure.planning import ErasurePlanner
from application.erasure.proof import ErasureProofs
from application.fan_out import FanOut
from application.memory_budget import Share
from application.partials.reader import PartialReader
from application.ports.log.census import Census
from application.ports.log.erasures import Erasures
from application.ports.log.transparency import SignedHeads
from application.ports.store import Store
from application.reads.event_reader import EventReader
from application.reads.evidence.transparency import TransparencyLog
from application.reads.key_history import KeyHistories
from application.reads.moments import Moments
from application.reads.queries import Queries
from application.reads.readable import ErasedSessions, ReadableSessions
from application.reads.streams.stream_items import StreamTiming
from application.reads.streams.tail import Tails
from application.reads.transcript.transcripts import Transcripts
from application.transfer.checking import Checker
from application.transfer.exporting.exports import Exports
from application.transfer.exporting.log_files import LogFiles
from application.transfer.exporting.selecting import SelectedLogs
from application.transfer.imports import Importer
from application.transfer.log_check import SpellingFault
from domain.timers import Timers


def repository_over(store: Store, *, share: Share | None = None) -> SessionRepository:
    """Return who loads the states of sessions."""
    return SessionRepository(
        store.log, store.codec, store.session_rows, store.snapshots, share=share
    )


def handler_over(
    store: Store,
    repository: SessionRepository,
    fan_out: FanOut,
    *,
    waiting: QueueLimits | None = None,
    largest: int = 1024 * 1024,
    largest_state: int = 16 * 1024 * 1024,
    timers: Timers | None = None,
    hooks: Hooks | None = None,
) -> CommandHandler:
    """Return who handles commands.

    Args:
        store: Where events go.
        repository: Loads the states that commands are decided on.
        fan_out: Who hears of new events.
        waiting: How much may wait for one session, and how long.
        largest: The most bytes of one record.
        largest_state: The most bytes of a session's state.
        timers: How long turns may be silent or run.
        hooks: Who is asked before a command is decided.
    """
    decider = BatchDecider(
        store.codec,
        store.clock,
        largest=largest,
        largest_state=largest_state,
        timers=timers or Timers(),
    )
    answers = StoredAnswers(store.idempotency_keys, store.codec)
    return CommandHandler(
        store.log, repository, decider, answers, store.blobs, fan_out, waiting=waiting, hooks=hooks
    )


def scope_handler_over(
    store: Store,
    fan_out: FanOut,
    *,
    largest: int = 1024 * 1024,
    hooks: Hooks | None = None,
    patience: float = 5.0,
) -> ScopeHandler:
    """Return who handles patches of shared scopes.

    Args:
        store: Where events go.
        fan_out: Who hears of new events.
        largest: The most bytes of one record.
        hooks: Who is asked before a patch is decided.
        patience: Seconds that a patch may wait for those before it.
    """
    answers = StoredAnswers(store.idempotency_keys, store.codec)
    return ScopeHandler(
        store.log,
        store.shared_state,
        store.codec,
        store.clock,
        answers,
        fan_out,
        largest=largest,
        hooks=hooks,
        patience=patience,
    )


def accesses_over(store: Store, fan_out: FanOut) -> AccessHandler:
    """Return who records privileged reads."""
    return AccessHandler(store.log, store.codec, store.clock, fan_out)


def events_over(store: Store) -> EventReader:
    """Return who reads single events."""
    return EventReader(store.log, store.codec)


def erased_over(store: Store) -> ErasedSessions:
    """Return who says why erased sessions are not read."""
    return ErasedSessions(store.log, store.codec)


def readable_over(store: Store) -> ReadableSessions:
    """Return who finds the sessions that may be read."""
    return ReadableSessions(store.session_rows, erased_over(store))


def transcripts_over(store: Store, *, share: Share | None = None) -> Transcripts:
    """Return who folds transcripts."""
    return Transcripts(store.log, store.codec, share=share)


def queries_over(
    store: Store, repository: SessionRepository, transcripts: Transcripts | None = None
) -> Queries:
    """Return who reads sessions."""
    return Queries(
        store.session_rows,
        store.shared_state,
        store.codec,
        readable_over(store),
        Moments(events_over(store)),
        repository,
        transcripts or transcripts_over(store),
    )


def partial_reader_over(store: Store, fan_out: FanOut) -> PartialReader:
    """Return who reads what is being written."""
    return PartialReader(store.log, store.session_rows, store.partials, store.announcer, fan_out)


def tails_over(store: Store, fan_out: FanOut, timing: StreamTiming | None = None) -> Tails:
    """Return who reads the ends of logs."""
    return Tails(
        store.log,
        store.codec,
        readable_over(store),
        partial_reader_over(store, fan_out),
        fan_out,
        timing,
    )


def erasing_over(
    store: Store,
    erasures: Erasures,
    repository: SessionRepository,
    handler: CommandHandler,
    scope_handler: ScopeHandler,
    transcripts: Transcripts,
    forget_user: Sequence[Callable[[str, str], Awaitable[None]]] = (),
) -> Erasing:
    """Return who erases.

    Args:
        store: Where sessions are.
        erasures: Carries out what was said.
        repository: Loads the states of sessions.
        handler: Has sessions say that they are erased.
        scope_handler: Writes the keys that sessions share.
        transcripts: Remembers what was said.
        forget_user: Takes away what else is kept of a user of an app, in a door for instance.
    """
    rows = store.session_rows
    return Erasing(
        ErasurePlanner(rows, erasures, repository),
        erasures,
        KeysInForce(erasures, rows, store.codec, scope_handler, BY_ITSELF),
        store.blobs,
        events_over(store),
        repository,
        handler,
        scope_handler,
        transcripts,
        forget_user,
    )


def exports_over(store: Store, census: Census) -> Exports:
    """Return who exports logs."""
    return Exports(
        store.log,
        LogFiles(store.identity, store.log, store.codec, store.session_rows),
        SelectedLogs(store.session_rows, census),
        store.blobs,
        store.shared_state,
    )


def checker_over(store: Store, spelling_fault: SpellingFault) -> Checker:
    """Return who looks through what is to be imported."""
    return Checker(store.log, store.codec, store.session_rows, spelling_fault)


def importer_over(
    store: Store,
    repository: SessionRepository,
    scope_handler: ScopeHandler,
    fan_out: FanOut,
    timers: Timers,
) -> Importer:
    """Return who writes what is imported."""
    return Importer(
        store.log,
        store.codec,
        store.blobs,
        store.shared_state,
        repository,
        scope_handler,
        fan_out,
        timers,
    )


def proofs_over(
    store: Store, files: LogFiles, transparency: TransparencyLog, heads: SignedHeads
) -> ErasureProofs:
    """Return who proves erasures."""
    return ErasureProofs(
        store.identity, store.log, store.session_rows, store.clock, files, transparency, heads
    )


def key_histories_over(store: Store, repository: SessionRepository) -> KeyHistories:
    """Return who reads the histories of keys."""
    return KeyHistories(store.log, store.shared_state, store.codec, erased_over(store), repository)
