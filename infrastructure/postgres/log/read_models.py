"""Read models that are made anew on Postgres, on one connection that also keeps others away."""

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, LiteralString
from uuid import UUID

import psycopg
from psycopg import AsyncConnection

from application.errors import StoreUnavailable
from application.ports.read_models.logged import LoggedEvent
from application.ports.read_models.made import ListRow, Made
from application.ports.read_models.progress import (
    Difference,
    Ended,
    ErasedMeanwhile,
    RebuildProgress,
    RebuildRuns,
)
from domain.session.state import FORMAT, OLDEST_FORMAT, Session
from infrastructure.postgres import sql
from infrastructure.postgres.connecting.database import Database
from infrastructure.postgres.connecting.single_owner import lock_key
from infrastructure.postgres.writing.batch import row_columns
from infrastructure.records.state_codec import decode_state, encode_state, read_state

_STATEMENTS = sql.load("read_models")
_EVENTS, _BYTES = 2000, 4 * 1024 * 1024
_BEFORE_ALL = UUID(int=0)
_DAMAGED = Session(sequence=-1)
"""No events come to it."""
_NOT_COMPARED = ("held", "due_at")
_FORGET = ("forget_sessions", "forget_history", "forget_snapshots", "forget_progress")
_SWITCH = (
    "mend_rows", "add_rows", "mend_history", "add_history", "remove_history", "mend_keys",
    "remove_keys", "mend_scopes", "remove_scopes", "mend_snapshots",
)  # fmt: skip


class PostgresShadow:
    """The read models that are made anew; see `application.ports.read_models.shadow.Shadow`.

    Args:
        connection: In autocommit mode, of nobody else.
    """

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._too_many: list[UUID] = []

    async def progress(self) -> RebuildProgress | None:
        """Return how far an earlier rebuild has come."""
        rows = await self._fetch("progress")
        return RebuildProgress(*rows[0]) if rows else None

    async def begin(self, program: str) -> RebuildProgress:
        """Forget what is there, and begin."""
        async with self._connection.transaction():
            await self.forget()
            await self._run("begin", program=program, after=_BEFORE_ALL)
        return RebuildProgress(*(await self._fetch("progress"))[0])

    async def forget(self) -> None:
        """Forget what is there."""
        async with self._connection.transaction():
            for name in _FORGET:
                await self._run(name)

    async def logs(self, log: UUID, sequence: int, *, last: UUID) -> Sequence[LoggedEvent]:
        """Return the next events, one log after the other."""
        rows = await self._fetch(
            "logs", log=log, sequence=sequence, last=last, limit=_EVENTS, bytes=_BYTES
        )
        return [LoggedEvent._make(row[:7]) for row in rows]

    async def changes(self, after: int) -> Sequence[LoggedEvent]:
        """Return the next events by position."""
        rows = await self._fetch("changes", after=after, limit=_EVENTS, bytes=_BYTES)
        return [LoggedEvent._make(row[:7]) for row in rows]

    async def head(self) -> int:
        """Return the newest position."""
        return int((await self._fetch("head"))[0][0])

    async def bases(self, logs: Sequence[UUID]) -> Mapping[UUID, tuple[int, Session | None]]:
        """Return of the logs that are in how far they are, and the folded state."""
        rows = await self._fetch("bases", logs=list(logs))
        return {
            log: (sequence, None if state is None else decode_state(state))
            for log, sequence, state in rows
        }

    async def is_whole(self, log: UUID, upto: int) -> bool:
        """Return whether a log can be folded up to an event."""
        return bool((await self._fetch("is_whole", log=log, upto=upto))[0][0])

    async def kept_states(self, logs: Sequence[UUID]) -> Mapping[UUID, Mapping[int, Session]]:
        """Return the kept states of sessions."""
        values = {"logs": list(logs), "oldest": OLDEST_FORMAT, "format": FORMAT}
        found: dict[UUID, dict[int, Session]] = {}
        for log, sequence, state in await self._fetch("kept_states", **values):
            found.setdefault(log, {})[sequence] = read_state(state, sequence) or _DAMAGED
        return found

    async def put(self, made: Made, ended: Ended | None) -> None:
        """Put in what some logs come to, and compare their rows."""
        sessions = [row.log for row in made.rows]
        states = [(row.log, encode_state(row.state)) for row in made.rows if row.state]
        async with self._connection.transaction():
            await self._run("drop_rows", logs=[*sessions, *made.unfoldable])
            if made.rows:
                await self._run("put_rows", rows=json.dumps(list(map(_columns, made.rows))))
            if states:
                logs, raw = zip(*states, strict=True)
                await self._run("put_states", logs=list(logs), states=list(raw))
            if made.history:
                scopes, keys, positions, values, logs, sequences = zip(*made.history, strict=True)
                await self._run(
                    "put_history",
                    scopes=list(scopes),
                    keys=list(keys),
                    positions=list(positions),
                    values=list(values),
                    logs=list(logs),
                    sequences=list(sequences),
                )
            for log, session in made.states:
                await self._run(
                    "put_snapshot",
                    log=log,
                    sequence=session.sequence,
                    format=FORMAT,
                    state=encode_state(session),
                )
            if made.unfoldable:
                await self._run("copy_rows", logs=made.unfoldable)
                await self._run("copy_history", logs=made.unfoldable)
            await self._run("match", logs=sessions)
            if ended is not None and not await self._run("proceed", **ended._asdict()):
                raise ErasedMeanwhile

    async def match_all(self) -> None:
        """Compare all rows with those of lists once more."""
        await self._run("match_all")

    @asynccontextmanager
    async def moment(self, *, alone: bool) -> AsyncGenerator[None]:
        """Make all that is done meanwhile one transaction."""
        if alone:
            # Looked for before, so that nobody waits for it; each is looked at once more.
            rows = await self._fetch("rows_too_many", limit=None)
            self._too_many = [log for (log,) in rows]
        try:
            async with self._connection.transaction():
                await self._run("head_held" if alone else "of_one_moment")
                if not await self._fetch("hold"):
                    raise ErasedMeanwhile
                yield
        except (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected):
            raise ErasedMeanwhile from None

    async def differences(self, limit: int) -> Sequence[Difference]:
        """Return what is not what the log says."""
        found: list[Difference] = []
        for log, row, wanted in await self._fetch("differing_rows", limit=limit):
            found.append(Difference("sessions", (str(log),), _words(row, wanted)))
        for (log,) in await self._fetch("rows_too_many", limit=limit):
            found.append(Difference("sessions", (str(log),), "the log has no such session"))
        for name, read_model, words in (
            ("differing_history", "shared_state_history", "the write is not as the log has it"),
            ("differing_keys", "shared_state", "the value is not that of the newest write"),
            ("differing_scopes", "shared_scopes", "the version is not that of the newest write"),
            ("differing_snapshots", "snapshots", "the kept state is not what the log comes to"),
        ):
            found += [
                Difference(read_model, tuple(map(str, key)), words)
                for key in await self._fetch(name, limit=limit)
            ]
        return found

    async def switch(self) -> int:
        """Have what is read say what the log says."""
        changed = await self._run("remove_rows", logs=self._too_many)
        for name in _SWITCH:
            changed += await self._run(name)
        await self._run("match_rest")
        return changed

    async def _fetch(self, name: str, **values: Any) -> list[tuple[Any, ...]]:
        statement: LiteralString = _STATEMENTS[name]
        async with self._connection.cursor(binary=True) as cursor:
            await cursor.execute(statement, values)
            return await cursor.fetchall()

    async def _run(self, name: str, **values: Any) -> int:
        """Run a statement, and return how many rows it has changed."""
        statement: LiteralString = _STATEMENTS[name]
        return max((await self._connection.execute(statement, values)).rowcount, 0)


class PostgresShadows:
    """Gives the read models that are made anew; see `application.ports.read_models.shadow.Shadows`.

    Args:
        database: Where they are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[PostgresShadow]:
        """Give them to one process at a time: the lock goes with its connection."""
        connection: AsyncConnection | None = None
        try:
            connection = await self._database.connect("cairn rebuild")
            key = {"key": lock_key("rebuild")}
            locked = await (await connection.execute(_STATEMENTS["try_lock"], key)).fetchone()
            if locked is None or not locked[0]:
                raise RebuildRuns
            yield PostgresShadow(connection)
        except (psycopg.OperationalError, psycopg.InterfaceError) as lost:
            raise StoreUnavailable from lost
        finally:
            if connection is not None:
                with suppress(psycopg.Error):
                    await connection.close()


def _columns(made: ListRow) -> dict[str, Any]:
    columns = row_columns(made.row)
    activity = made.row.activity.last_activity_at
    return {
        **columns,
        "session_id": str(made.log),
        "sequence": made.sequence,
        "position": made.position,
        "digest": f"\\x{made.digest.hex()}",
        "updated_at": made.at.isoformat(),
        "updated_second": made.at.replace(microsecond=0).isoformat(),
        "activity_second": activity.replace(microsecond=0).isoformat(),
        "matched": False,
        "copied": False,
    }


def _words(found: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> str:
    if found is None:
        return "the session has no row"
    wrong = [
        name
        for name, value in wanted.items()
        if name not in _NOT_COMPARED and found.get(name) != value
    ]
    return f"the row has another {', '.join(wrong)}"
