"""What an answer of the database means for whoever asked: one table from SQLSTATE to a reaction.

A connection that is lost says nothing about a statement. An error that the server answered says
that nothing of the statement was stored, because each statement here is its own transaction. The
two must never be taken for each other: waiting for a database whose disk is full helps nobody.

Codes: PostgreSQL, Appendix A; those of class CN are of the functions in migrations. Classes (the
first two characters) stand where a code has no row.
"""

from dataclasses import dataclass
from typing import Literal

import psycopg

from application.errors import StoreUnavailable

Reaction = Literal["refuse", "leave", "retry", "reconnect"]
"""`refuse`: tell the caller that nothing was stored. `leave`: the same, and close the connection,
because another host may do better. `retry`: send it again. `reconnect`: close the connection, open
another one, and find out what was stored."""

Reason = Literal[
    "connection_lost",
    "connection_limit",
    "disk_full",
    "io_error",
    "out_of_memory",
    "limit_reached",
    "read_only",
    "timed_out",
    "permission",
    "schema_changed",
    "conflict",
    "corrupted",
    "internal_error",
]


@dataclass(frozen=True, slots=True)
class DatabaseOutcome:
    """What follows from an error of the database.

    Args:
        reaction: What to do.
        reason: One stable word, for readiness and metrics.
        sentence: What was wrong and what to do, for the caller and the log.
    """

    reaction: Reaction
    reason: Reason
    sentence: str


LOST = DatabaseOutcome("reconnect", "connection_lost", "The connection to the database was lost.")
TIMED_OUT = DatabaseOutcome(
    "refuse", "timed_out", "The database did not finish in time and stored nothing; try again."
)

READ_ONLY = DatabaseOutcome(
    "leave",
    "read_only",
    "The database takes no writes and nothing was stored; it may be a replica or in recovery.",
)

_OTHER_SCHEMA = DatabaseOutcome(
    "refuse",
    "schema_changed",
    "The schema of the database is not the one of this program; run the newest version.",
)

_PLANNED_BEFORE = DatabaseOutcome(
    "reconnect",
    "schema_changed",
    "What was prepared on a connection to the database is of no use any more; try again.",
)

_TABLE: dict[str, DatabaseOutcome] = {
    "08": LOST,
    "57P01": LOST,
    "57P02": LOST,
    "57P03": DatabaseOutcome(
        "reconnect", "connection_lost", "The database is starting or stopping."
    ),
    "57P04": LOST,
    "57P05": LOST,
    "25P03": LOST,
    "25P04": LOST,
    "53300": DatabaseOutcome(
        "reconnect",
        "connection_limit",
        "The database takes no more connections; raise max_connections or run fewer processes.",
    ),
    "53100": DatabaseOutcome(
        "refuse",
        "disk_full",
        "The disk of the database is full and nothing was stored; free some space.",
    ),
    "53200": DatabaseOutcome(
        "refuse", "out_of_memory", "The database is out of memory and stored nothing; try again."
    ),
    "53": DatabaseOutcome(
        "refuse", "limit_reached", "The database has reached a limit and stored nothing; try again."
    ),
    "58": DatabaseOutcome(
        "refuse", "io_error", "The database cannot use its files and stored nothing; see its log."
    ),
    "25006": READ_ONLY,
    "57014": TIMED_OUT,
    "55P03": TIMED_OUT,
    "42501": DatabaseOutcome(
        "refuse",
        "permission",
        "The database role may not do this and nothing was stored;"
        " run `cairn migrate --grant-to ROLE`.",
    ),
    "28": DatabaseOutcome(
        "reconnect", "permission", "The database refuses this role or its password; see its log."
    ),
    "42883": _OTHER_SCHEMA,
    "42P01": _OTHER_SCHEMA,
    "42703": _OTHER_SCHEMA,
    # A statement that was prepared before the schema changed, or that somebody has thrown away.
    "0A000": _PLANNED_BEFORE,
    "26000": _PLANNED_BEFORE,
    "40": DatabaseOutcome(
        "retry", "conflict", "Two transactions were in each other's way; try again."
    ),
    "XX001": DatabaseOutcome(
        "refuse",
        "corrupted",
        "The database has found damaged data and stored nothing; see its log.",
    ),
    "XX002": DatabaseOutcome(
        "refuse", "corrupted", "The database has found a damaged index and stored nothing; reindex."
    ),
    "CN002": DatabaseOutcome(
        "refuse",
        "corrupted",
        "An event has a position beyond the head of the log, and nothing can be stored before that"
        " is mended; see position_beyond_head in docs/repair.md.",
    ),
    "XX": DatabaseOutcome(
        "refuse", "internal_error", "The database has failed and stored nothing; see its log."
    ),
}


_WORDS = {
    "too many connections": "53300",
    "remaining connection slots": "53300",
    "too many clients": "53300",
    "authentication failed": "28",
    "not permitted to log in": "28",
    "starting up": "57P03",
    "shutting down": "57P03",
    "read-only": "25006",
}


def outcome_of(error: BaseException) -> DatabaseOutcome | None:
    """Return what an error means; None when it is about the statement or its values.

    Args:
        error: What was raised while a statement ran or a connection was opened.
    """
    if isinstance(error, TimeoutError | OSError):
        return LOST
    if not isinstance(error, psycopg.Error):
        return None
    code = error.sqlstate
    if code is None:
        if not isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
            return None
        # libpq gives no code when a connection cannot be opened, only its English words.
        words = str(error)
        return next((_TABLE[code] for word, code in _WORDS.items() if word in words), LOST)
    found = _TABLE.get(code) or _TABLE.get(code[:2])
    if error.diag.severity_nonlocalized in ("FATAL", "PANIC"):
        # The server closed the connection with it: whether the statement was stored is not said.
        reason = found if found is not None else LOST
        return DatabaseOutcome("reconnect", reason.reason, reason.sentence)
    return found


def unavailable(outcome: DatabaseOutcome) -> StoreUnavailable:
    """Return what whoever asked is told of an outcome after which nothing is stored.

    Args:
        outcome: Why.
    """
    if outcome is LOST:
        return StoreUnavailable()
    return StoreUnavailable(outcome.sentence, reason=outcome.reason)
