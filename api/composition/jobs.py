"""The jobs that one process does for all: what each does in a round, and who does it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from api.settings import Settings
from application.retention.job import RetentionJob
from application.retention.keeping import Retention
from application.retention.policies import read_policies
from application.retention.stored_sessions import StoredSessions
from application.transfer.exporting.exports import Exports
from application.webhooks.dispatcher import WebhookDispatcher
from infrastructure.postgres.connecting.database import Database
from infrastructure.postgres.connecting.job_board import JobBoard
from infrastructure.postgres.connecting.single_owner import SingleOwner
from infrastructure.postgres.session.retention_runs import PostgresRetentionRuns
from infrastructure.postgres.store import PostgresStore
from infrastructure.postgres.webhooks import JOB
from infrastructure.transfer.archive_folder import ArchiveFolders

_LONGEST_WAIT = 60.0

Round = Callable[[], Awaitable[float]]
"""Does what is due, and returns the seconds until it wants to be called again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounds:
    """What the jobs do.

    Args:
        webhooks: Has deliveries, which it lets go when another process takes over.
        supervision: Ends what has run out.
        upkeep: Sweeps; in no hurry.
        erasure: Goes on with erasures that were begun.
        log_tiles: Keeps the tree over the log.
        retention: Follows the policies; None where there are none.
    """

    webhooks: WebhookDispatcher
    supervision: Round
    upkeep: Round
    erasure: Round
    log_tiles: Round
    retention: Round | None


def single_owners(database: Database, board: JobBoard, rounds: Rounds) -> list[SingleOwner]:
    """Return the jobs, each of which one of all processes does.

    Args:
        database: Where their locks are.
        board: Where their heartbeats are seen.
        rounds: What they do.
    """
    webhooks = rounds.webhooks
    named = {
        "supervision": rounds.supervision,
        "upkeep": rounds.upkeep,
        "erasure": rounds.erasure,
        "log tiles": rounds.log_tiles,
        "retention": rounds.retention,
    }
    return [
        SingleOwner(database, board, JOB, webhooks.round, let_go=webhooks.let_go, patience=1.0),
        *(SingleOwner(database, board, name, done) for name, done in named.items() if done),
    ]


def in_turn(*rounds: Round, sweeps: Sequence[Callable[[], Awaitable[object]]] = ()) -> Round:
    """Return one round that does several: they share a job, and the connection that has its lock.

    Args:
        *rounds: Of which each is called, and says after how many seconds again.
        sweeps: Called before them, whenever; what they return is of no matter.
    """

    async def all_of_them() -> float:
        for sweep in sweeps:
            await sweep()
        return min([_LONGEST_WAIT, *[await one() for one in rounds]])

    return all_of_them


def retention_of(
    settings: Settings, store: PostgresStore, sessions: StoredSessions, exports: Exports
) -> Round | None:
    """Return what follows the retention policies; None where there are none.

    Args:
        settings: Name the file of the policies.
        store: Where the runs are noted.
        sessions: Of which the old ones go.
        exports: Archive them first.
    """
    if settings.retention_policy is None:
        return None
    job = RetentionJob(
        Retention(sessions, ArchiveFolders(exports, store.identity), store.clock.now),
        partial(read_policies, settings.retention_policy),
        PostgresRetentionRuns(store.database),
        every=timedelta(hours=settings.retention_hours),
    )
    return job.round
