"""The composition root: settings → adapters → use cases → the ASGI app.

With `api/database.py`, `api/keys.py` and `api/transfer_files.py` the only module of `api` that
knows `infrastructure`.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from functools import partial
from typing import cast

from litestar import Litestar
from litestar.types import ASGIApp

from api.database import bring_up_to_date, database_of, program_url
from api.doors_in_use import doors_of
from api.garbage import spare_the_collector
from api.http.around.drain import leave, on_shutdown_signal
from api.http.around.forwarded import Forwarding
from api.http.around.middleware import RequestMiddleware
from api.http.around.site_guard import SiteGuard
from api.http.outgoing.streams import end_revoked, goodbye
from api.keys import audit_keys_of, issued_tokens, sealer_of, session_managers_of, token_of
from api.services import Services
from api.settings import Settings
from api.start_error import StartError
from application.commands.access_handler import AccessHandler
from application.commands.handler import CommandHandler
from application.commands.hooks import Hooks
from application.commands.repository import SessionRepository
from application.commands.scope_handler import ScopeHandler
from application.commands.session_queue import QueueLimits
from application.erasure.erasing import Erasing
from application.erasure.proof import ErasureProofs
from application.fan_out import FanOut
from application.limits.limiter import Limiter
from application.memory_budget import MEBIBYTE, MemoryBudget
from application.partials.reader import PartialReader
from application.partials.writer import PartialWriter
from application.projections.log_tiles import TileKeeper
from application.projections.rebuild import RowRebuilder
from application.reads.audit import AuditFeed
from application.reads.feed import Feed
from application.reads.health import Checkups
from application.reads.key_history import KeyHistories
from application.reads.line_log import LineLog
from application.reads.queries import Queries
from application.reads.replay import Replays
from application.reads.scopes import Scopes
from application.reads.stream_items import StreamTiming
from application.reads.tail import Tails
from application.reads.transcripts import Transcripts
from application.reads.transparency import TransparencyLog
from application.reads.verification import Verification
from application.reads.wait_for import Waits
from application.retention.job import RetentionJob
from application.retention.keeping import Retention
from application.retention.policies import read_policies
from application.retention.stored_sessions import StoredSessions
from application.tokens.authentication import Authentication
from application.tokens.known import KnownTokens
from application.tokens.manage import TokenDesk
from application.tokens.sight import Sight
from application.tokens.tickets import TicketDesk
from application.transfer.checking import Checker
from application.transfer.exports import Exports
from application.transfer.imports import Importer
from application.upkeep.blobs import BlobSweeper
from application.upkeep.supervision import KeyPruner, Supervisor
from application.use_cases import use_cases_over
from application.use_cases.artifacts import Artifacts
from application.use_cases.blobs import Blobs
from application.use_cases.driven_turns import DrivenTurns
from application.use_cases.foreign_events import ForeignEvents
from application.use_cases.named_sessions import NamedSessions
from application.use_cases.recovery import Recovery, patience
from application.use_cases.repair import Repairs
from application.use_cases.session_managing import SessionManaging
from application.use_cases.transfers import Transfers
from application.webhooks.dispatcher import WebhookDispatcher
from application.webhooks.manage import Webhooks
from application.webhooks.retry_policy import RetryPolicy
from infrastructure.ed25519 import Ed25519
from infrastructure.hook_loading import HookNameError, load_hooks
from infrastructure.importers.adk.live import LiveAdkReader
from infrastructure.json_schema import FormSchemas
from infrastructure.late_sender import LateSender
from infrastructure.machine_memory import (
    MemoryReport,
    default_budget,
    give_large_blocks_back,
)
from infrastructure.postgres.access_tokens import PostgresAccessTokens
from infrastructure.postgres.allowances import PostgresAllowances
from infrastructure.postgres.audit import PostgresAuditEvents
from infrastructure.postgres.census import PostgresCensus
from infrastructure.postgres.checkpoints import PostgresCheckpoints
from infrastructure.postgres.connecting.job_board import JobBoard
from infrastructure.postgres.connecting.migrations import (
    newest_known,
)
from infrastructure.postgres.connecting.readiness import PostgresReadiness
from infrastructure.postgres.connecting.single_owner import SingleOwner
from infrastructure.postgres.connecting.store_watch import StoreWatch
from infrastructure.postgres.erasures import PostgresErasures
from infrastructure.postgres.inspection import PostgresInspector
from infrastructure.postgres.retention_runs import PostgresRetentionRuns
from infrastructure.postgres.session.recovery import PostgresDriverWatch
from infrastructure.postgres.session_managing import PostgresSessionManaging
from infrastructure.postgres.store import PostgresStore, open_store
from infrastructure.postgres.tickets import PostgresTickets
from infrastructure.postgres.transparency import PostgresSignedHeads, PostgresTiles
from infrastructure.postgres.webhooks import JOB, PostgresWebhooks
from infrastructure.postgres.writing.group_commit import CommitLimits
from infrastructure.record_check import spelling_fault_of
from infrastructure.sealing import (
    CannotOpen,
)
from infrastructure.transfer.archive_folder import ArchiveFolders
from infrastructure.transfer.compression import compressor
from infrastructure.transfer.unpacking import Bundle, UnpackLimits

_logger = logging.getLogger("cairn")

_SWEPT_EVERY = 60.0

_Job = Limiter | SingleOwner | JobBoard | MemoryReport | StoreWatch | PartialWriter


@asynccontextmanager
async def open_services(settings: Settings, url: str) -> AsyncGenerator[Services]:
    """Put the program together over a database, and take it apart in order.

    Args:
        settings: How it runs.
        url: The database, up to date.
    """
    memory = MemoryBudget(
        default_budget(settings.workers)
        if settings.memory_mb is None
        else settings.memory_mb * MEBIBYTE
    )
    hub = FanOut(memory.share("partials"))
    limits = CommitLimits(patience=settings.patience_seconds, waiting=memory.share("appends"))
    async with open_store(url, hub=hub, readers=settings.database_readers, limits=limits) as store:
        watch = StoreWatch(
            store.database,
            store.identity,
            newest_known(),
            lambda: hub.position,
            lambda trouble: leave(trouble, settings.drain_seconds),
        )
        services, jobs = _put_together(settings, store, hub, memory, watch)
        await services.known_tokens.start()
        for job in jobs:
            await job.start()
        try:
            yield services
        finally:
            hub.close()
            for job in jobs:
                await job.stop()
            await services.known_tokens.stop()
            await services.session_managing.stop()


def _put_together(
    settings: Settings,
    store: PostgresStore,
    hub: FanOut,
    memory: MemoryBudget,
    watch: StoreWatch,
) -> tuple[Services, list[_Job]]:
    """Return the program over a store, and the jobs that are to run beside it."""
    database, log = store.database, store.log
    rhythm = StreamTiming(ping=settings.ping_seconds, longest=settings.stream_seconds)
    timers = settings.timers()
    repository = SessionRepository(store, share=memory.share("states"))
    hooks = hooks_of(settings)
    handler = CommandHandler(
        store,
        repository,
        hub,
        largest=settings.max_record_bytes,
        largest_state=settings.max_state_bytes,
        waiting=QueueLimits(patience=settings.patience_seconds),
        timers=timers,
        hooks=hooks,
    )
    scope_handler = ScopeHandler(
        store,
        hub,
        largest=settings.max_record_bytes,
        hooks=hooks,
        patience=settings.patience_seconds,
    )
    transcripts = Transcripts(store, share=memory.share("transcripts"))
    queries = Queries(store, repository, transcripts)
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
        subscriptions, log, hub, sender, store.clock, policy, share=memory.share("webhooks")
    )
    tiles = PostgresTiles(database)
    keeper = TileKeeper(tiles, PostgresCheckpoints(database), hub)
    writer = PartialWriter(store.partials, hub)
    rebuilder = RowRebuilder(store, repository, timers)

    access_tokens = PostgresAccessTokens(database)
    known_tokens = KnownTokens(
        access_tokens, hub.access, lambda: end_revoked(authentication.is_good)
    )
    sight = Sight(store.session_rows)
    tickets = TicketDesk(PostgresTickets(database), sight)
    issued = issued_tokens(settings, store.clock)
    allowances = PostgresAllowances(database)
    limiter = Limiter(allowances, settings.limits(), store.clock.new_id())
    authentication = Authentication(known_tokens, tickets, issued, store.clock)

    supervisor = Supervisor(store, repository, handler, timers)
    recovery = Recovery(
        PostgresDriverWatch(database),
        repository,
        handler,
        patience(settings.recovery_grace_seconds, settings.recovery_unattended_seconds),
    )

    erasing = Erasing(
        store, PostgresErasures(database), repository, handler, scope_handler, transcripts
    )

    async def supervision() -> float:
        return min(await supervisor.round(), await recovery.round())

    async def upkeep() -> float:
        # In no hurry: they share a job, and so the connection that holds its lock.
        await store.partials.sweep()
        await allowances.sweep()
        with suppress(CannotOpen):  # told of whenever that webhook is read
            await subscriptions.reseal()
        await session_managing.upkeep()
        waits = (await pruner.round(), await rebuilder.round(), await blob_sweeper.round())
        return min(*waits, _SWEPT_EVERY)

    board = JobBoard(database)
    jobs: list[_Job] = [
        watch,
        limiter,
        MemoryReport(memory),
        writer,
        board,
        SingleOwner(database, board, JOB, dispatcher.round, let_go=dispatcher.let_go, patience=1.0),
        SingleOwner(database, board, "supervision", supervision),
        SingleOwner(database, board, "upkeep", upkeep),
        SingleOwner(database, board, "erasure", erasing.round),
        SingleOwner(database, board, "log tiles", keeper.round),
    ]
    use_cases = use_cases_over(
        store,
        repository,
        handler,
        scope_handler,
        hub,
        queries,
        FormSchemas(),
        writer,
        largest=settings.max_record_bytes,
    )
    tails = Tails(store, hub, rhythm)
    heads = PostgresSignedHeads(database)
    transparency = TransparencyLog(log, tiles, heads, keeper, Ed25519(), audit_keys_of(settings))
    exports = Exports(store, PostgresCensus(database))
    accesses = AccessHandler(store, hub)
    proofs = ErasureProofs(store, exports, transparency, heads)
    if settings.retention_policy is not None:
        retention = RetentionJob(
            Retention(
                StoredSessions(store, erasing, proofs, accesses),
                ArchiveFolders(exports, store.identity),
                store.clock.now,
            ),
            partial(read_policies, settings.retention_policy),
            PostgresRetentionRuns(database),
            every=timedelta(hours=settings.retention_hours),
        )
        jobs.append(SingleOwner(database, board, "retention", retention.round))
    services = Services(
        settings=settings,
        memory=memory,
        store=store,
        hub=hub,
        repository=repository,
        use_cases=use_cases,
        queries=queries,
        scopes=Scopes(store),
        key_histories=KeyHistories(store, repository),
        tails=tails,
        replays=Replays(store, hub, tails, rhythm),
        partials=PartialReader(store, hub),
        blobs=Blobs(store.blobs, memory.share("requests"), largest=settings.max_blob_bytes),
        feed=Feed(log, store.codec, hub, rhythm),
        webhooks=Webhooks(subscriptions, log, sender, store.clock),
        checkups=Checkups(store),
        waits=Waits(store, hub),
        recovery=recovery,
        repairs=Repairs(
            store,
            PostgresInspector(database),
            repository,
            handler,
            use_cases.sessions,
            recovery,
        ),
        readiness=PostgresReadiness(database, log, store.clock, watch, board),
        audit_feed=AuditFeed(log, PostgresAuditEvents(database)),
        sight=sight,
        tokens=TokenDesk(access_tokens, store.clock),
        known_tokens=known_tokens,
        tickets=tickets,
        authentication=authentication,
        limiter=limiter,
        accesses=accesses,
        verification=Verification(
            store, PostgresInspector(database), repository, PostgresCensus(database)
        ),
        transparency=transparency,
        erasing=erasing,
        erasure_proofs=proofs,
        transfers=Transfers(
            store,
            exports,
            Checker(store, spelling_fault_of),
            Importer(store, repository, scope_handler, hub, timers),
            transparency,
            compress=compressor,
            open_bundle=lambda sent: Bundle(sent, UnpackLimits(settings.max_import_bytes)),
        ),
        line_log=LineLog(store, repository),
        foreign_events=ForeignEvents(store, handler, use_cases.sessions, use_cases.lineages),
        artifacts=Artifacts(store, settings.max_artifact_bytes),
        driven_turns=DrivenTurns(handler, tails, store.codec, patience=settings.driver_seconds),
        adk_sessions=NamedSessions("adk", store, handler),
        adk_reader=LiveAdkReader(),
        session_managing=session_managing,
    )
    return services, jobs


def create_app(settings: Settings | None = None) -> ASGIApp:
    """Return the ASGI app; its lifespan starts and stops everything.

    Args:
        settings: How it runs; from the environment by default.

    Raises:
        StartError: The file of the bearer token cannot be used.
    """
    chosen = settings or Settings()

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncGenerator[None]:
        with database_of(chosen) as url:
            await asyncio.to_thread(bring_up_to_date, url)
            program = await asyncio.to_thread(program_url, chosen, url)
            async with open_services(chosen, program) as services:
                app.services = services
                spare_the_collector()
                give_large_blocks_back()
                with on_shutdown_signal(goodbye(services.hub.close)):
                    yield

    token = token_of(chosen)
    doors = doors_of(chosen, token)

    def asks_for_token() -> bool:
        services = cast("Services", app.services)
        return token is not None or services.authentication.is_asked_for

    guarded = SiteGuard(
        doors,
        answer_error=doors.answer_error,
        asks_for_token=asks_for_token,
        hosts=chosen.names("allowed_hosts"),
        origins=chosen.names("allowed_origins"),
    )
    # Of the framework only its lifespan: doors answer the requests.
    starting = Litestar([], lifespan=[lifespan], openapi_config=None, logging_config=None)
    trusted = chosen.names("trusted_proxies")
    app = RequestMiddleware(
        guarded,
        lifespan=starting,
        access_log=chosen.access_log,
        forwarding=Forwarding(chosen.root_path, trusted) if chosen.root_path or trusted else None,
    )
    return app


def hooks_of(settings: Settings) -> Hooks:
    """Return the hooks that are asked before commands.

    Args:
        settings: Name them.

    Raises:
        StartError: One cannot be loaded.
    """
    try:
        return Hooks(load_hooks(settings.hooks))
    except HookNameError as error:
        raise StartError(str(error)) from error
