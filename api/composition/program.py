"""The composition root: settings → adapters → use cases, and the jobs beside them."""

from contextlib import suppress
from datetime import timedelta

from api.composition.hooks import hooks_of
from api.composition.jobs import Rounds, in_turn, retention_of, single_owners
from api.composition.keys import audit_keys_of, issued_tokens, sealer_of, session_managers_of
from api.composition.over_store import (
    accesses_over,
    checker_over,
    erasing_over,
    events_over,
    exports_over,
    handler_over,
    importer_over,
    key_histories_over,
    partial_reader_over,
    proofs_over,
    queries_over,
    readable_over,
    repository_over,
    scope_handler_over,
    tails_over,
    transcripts_over,
)
from api.composition.use_cases import repairs_over, use_cases_over
from api.composition.verifying import verification_of
from api.http.outgoing.giving import Readers
from api.services import Services
from api.settings import Settings
from application.commands.session_queue import QueueLimits
from application.fan_out import FanOut
from application.limits.limiter import Limiter
from application.memory_budget import MemoryBudget
from application.partials.writer import PartialWriter
from application.projections.log_tiles import TileKeeper
from application.projections.rebuild import RowRebuilder
from application.reads.evidence.audit import AuditFeed
from application.reads.evidence.transparency import TransparencyLog
from application.reads.health import Checkups
from application.reads.line_log import LineLog
from application.reads.scopes import Scopes
from application.reads.streams.feed import Feed
from application.reads.streams.pages import Pages
from application.reads.streams.replay import Replays
from application.reads.streams.stream_items import StreamTiming
from application.reads.streams.wait_for import StatusWaits
from application.retention.stored_sessions import StoredSessions
from application.tokens.authentication import Authentication
from application.tokens.known import KnownTokens
from application.tokens.manage import TokenRegistry
from application.tokens.sight import Sight
from application.tokens.tickets import TicketRegistry
from application.upkeep.blobs import BlobSweeper
from application.upkeep.supervision import KeyPruner, Supervision
from application.use_cases.artifacts import Artifacts
from application.use_cases.blobs import Blobs
from application.use_cases.managers.session_managing import SessionManaging
from application.use_cases.recovery import Recovery, patience
from application.use_cases.session.named_sessions import NamedSessions
from application.use_cases.transfers import Transfers
from application.use_cases.turn.driven_turns import DrivenTurns
from application.use_cases.turn.foreign_events import ForeignEvents
from application.webhooks.dispatcher import WebhookDispatcher
from application.webhooks.manage import Webhooks
from application.webhooks.retry_policy import RetryPolicy
from infrastructure.importers.adk.live import LiveAdkReader
from infrastructure.json_schema import FormSchemas
from infrastructure.keys.ed25519 import Ed25519
from infrastructure.keys.sealing import CannotOpen
from infrastructure.machine_memory import MemoryReport
from infrastructure.outgoing.late_sender import LateSender
from infrastructure.postgres.access.access_tokens import PostgresAccessTokens
from infrastructure.postgres.access.allowances import PostgresAllowances
from infrastructure.postgres.access.tickets import PostgresTickets
from infrastructure.postgres.connecting.job_board import JobBoard
from infrastructure.postgres.connecting.readiness import PostgresReadiness
from infrastructure.postgres.connecting.single_owner import SingleOwner
from infrastructure.postgres.connecting.store_watch import StoreWatch
from infrastructure.postgres.log.audit import PostgresAuditEvents
from infrastructure.postgres.log.census import PostgresCensus
from infrastructure.postgres.log.checkpoints import PostgresCheckpoints
from infrastructure.postgres.log.erasures import PostgresErasures
from infrastructure.postgres.log.inspection import PostgresInspector
from infrastructure.postgres.log.joined_pages import PostgresJoinedPages
from infrastructure.postgres.log.transparency import PostgresSignedHeads, PostgresTiles
from infrastructure.postgres.managers.session_managing import PostgresSessionManaging
from infrastructure.postgres.session.recovery import PostgresDriverWatch
from infrastructure.postgres.store import PostgresStore
from infrastructure.postgres.webhooks import PostgresWebhooks
from infrastructure.records.record_check import spelling_fault_of
from infrastructure.transfer.compression import compressor
from infrastructure.transfer.unpacking import Bundle, UnpackLimits

Job = Limiter | SingleOwner | JobBoard | MemoryReport | StoreWatch | PartialWriter


def put_together(
    settings: Settings,
    store: PostgresStore,
    fan_out: FanOut,
    memory: MemoryBudget,
    watch: StoreWatch,
) -> tuple[Services, list[Job]]:
    """Return the program over a store, and the jobs that are to run beside it.

    Args:
        settings: How it runs.
        store: Where everything is.
        fan_out: Tells of what is new.
        memory: What its parts may take.
        watch: Looks whether the store is still what it was.
    """
    database, log = store.database, store.log
    census, inspector = PostgresCensus(database), PostgresInspector(database)
    timing = StreamTiming(ping=settings.ping_seconds, longest=settings.stream_seconds)
    timers = settings.timers()
    repository = repository_over(store, share=memory.share("states"))
    hooks = hooks_of(settings)
    handler = handler_over(
        store,
        repository,
        fan_out,
        largest=settings.max_record_bytes,
        largest_state=settings.max_state_bytes,
        waiting=QueueLimits(patience=settings.patience_seconds),
        timers=timers,
        hooks=hooks,
    )
    scope_handler = scope_handler_over(
        store,
        fan_out,
        largest=settings.max_record_bytes,
        hooks=hooks,
        patience=settings.patience_seconds,
    )
    transcripts = transcripts_over(store, share=memory.share("transcripts"))
    queries = queries_over(store, repository, transcripts)
    blob_sweeper = BlobSweeper(store.blobs, timedelta(hours=settings.blob_hours))
    pruner = KeyPruner(store.idempotency_keys, timedelta(days=settings.idempotency_days))
    sender = LateSender(
        timeout=settings.webhook_timeout_seconds, private_targets=settings.webhook_private_targets
    )
    sealer = sealer_of(settings)
    subscriptions = PostgresWebhooks(database, sealer)
    kept = PostgresSessionManaging(database, sealer)
    others = session_managers_of(settings, store.clock)
    session_managing = SessionManaging(kept, others, handler, store.clock)
    policy = RetryPolicy(attempts=settings.webhook_attempts)
    dispatcher = WebhookDispatcher(
        subscriptions, log, fan_out, sender, store.clock, policy, share=memory.share("webhooks")
    )
    tiles = PostgresTiles(database)
    keeper = TileKeeper(tiles, PostgresCheckpoints(database), fan_out)
    writer = PartialWriter(store.partials, fan_out)
    rebuilder = RowRebuilder(store.session_rows, store.codec, repository, timers)

    readers = Readers(memory.share("streams"))
    access_tokens = PostgresAccessTokens(database)
    known_tokens = KnownTokens(
        access_tokens, fan_out.access, lambda: readers.end_revoked(authentication.is_good)
    )
    sight = Sight(store.session_rows, repository.owner_in_memory)
    tickets = TicketRegistry(PostgresTickets(database), sight)
    issued = issued_tokens(settings, store.clock)
    allowances = PostgresAllowances(database)
    limiter = Limiter(
        allowances,
        settings.limits(),
        store.clock.new_id(),
        patience=settings.patience_seconds,
    )
    authentication = Authentication(known_tokens, tickets, issued, store.clock)

    supervision = Supervision(store.deadlines, repository, handler, timers)
    recovery = Recovery(
        PostgresDriverWatch(database),
        repository,
        handler,
        patience(settings.recovery_grace_seconds, settings.recovery_unattended_seconds),
    )

    erasing = erasing_over(
        store,
        PostgresErasures(database),
        repository,
        handler,
        scope_handler,
        transcripts,
        forget_user=(kept.routes.forget_user,),
    )

    use_cases = use_cases_over(
        store,
        repository,
        handler,
        scope_handler,
        fan_out,
        queries,
        FormSchemas(),
        writer,
        largest=settings.max_record_bytes,
    )
    tails = tails_over(store, fan_out, timing)
    heads = PostgresSignedHeads(database)
    transparency = TransparencyLog(log, tiles, heads, keeper, Ed25519(), audit_keys_of(settings))
    exports = exports_over(store, census)
    accesses = accesses_over(store, fan_out)
    proofs = proofs_over(store, exports.files, transparency, heads)

    async def reseal() -> None:
        with suppress(CannotOpen):  # told of whenever that webhook is read
            await subscriptions.reseal()

    board = JobBoard(database)
    rounds = Rounds(
        webhooks=dispatcher,
        supervision=in_turn(supervision.round, recovery.round),
        upkeep=in_turn(
            pruner.round,
            rebuilder.round,
            blob_sweeper.round,
            sweeps=(store.partials.sweep, allowances.sweep, reseal, session_managing.upkeep),
        ),
        erasure=erasing.round,
        log_tiles=keeper.round,
        retention=retention_of(
            settings, store, StoredSessions(store.session_rows, erasing, proofs, accesses), exports
        ),
    )
    jobs: list[Job] = [
        watch,
        limiter,
        MemoryReport(memory),
        writer,
        board,
        *single_owners(database, board, rounds),
    ]
    lines = LineLog(log, repository, memory.share("streams"))
    unpacked = UnpackLimits(settings.max_import_bytes)
    services = Services(
        settings=settings,
        memory=memory,
        readers=readers,
        store=store,
        events=events_over(store),
        fan_out=fan_out,
        repository=repository,
        use_cases=use_cases,
        queries=queries,
        scopes=Scopes(log, store.shared_state, store.codec),
        key_histories=key_histories_over(store, repository),
        tails=tails,
        replays=Replays(log, store.codec, fan_out, tails, timing),
        partials=partial_reader_over(store, fan_out),
        blobs=Blobs(store.blobs, memory.share("requests"), largest=settings.max_blob_bytes),
        feed=Feed(log, store.codec, fan_out, timing),
        pages=Pages(readable_over(store), PostgresJoinedPages(database, log)),
        webhooks=Webhooks(subscriptions, log, sender, store.clock),
        checkups=Checkups(store.session_rows, store.presence),
        waits=StatusWaits(store.session_rows, fan_out),
        recovery=recovery,
        repairs=repairs_over(store, inspector, repository, handler, use_cases.sessions, recovery),
        readiness=PostgresReadiness(database, log, store.clock, watch, board),
        audit_feed=AuditFeed(log, PostgresAuditEvents(database)),
        sight=sight,
        tokens=TokenRegistry(access_tokens, store.clock),
        known_tokens=known_tokens,
        tickets=tickets,
        authentication=authentication,
        limiter=limiter,
        accesses=accesses,
        verification=verification_of(store, database, repository, transparency.keys.verifiers),
        transparency=transparency,
        erasing=erasing,
        erasure_proofs=proofs,
        transfers=Transfers(
            store.identity,
            exports,
            checker_over(store, spelling_fault_of),
            importer_over(store, repository, scope_handler, fan_out, timers),
            transparency,
            memory=memory.share("exports"),
            compress=compressor,
            open_bundle=lambda sent: Bundle(sent.file, unpacked, sent.upto),
        ),
        line_log=lines,
        foreign_events=ForeignEvents(log, handler, use_cases.sessions, use_cases.forks),
        artifacts=Artifacts(store.artifacts, lines, settings.max_artifact_bytes),
        driven_turns=DrivenTurns(handler, tails, store.codec, patience=settings.driver_seconds),
        adk_sessions=NamedSessions("adk", store.session_rows, store.codec, store.clock, handler),
        adk_reader=LiveAdkReader(),
        session_managing=session_managing,
    )
    return services, jobs
