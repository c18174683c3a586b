"""Ways in which workers are broken on purpose, so that the harness can be seen to find them.

Production code knows nothing of this: `in_worker/sitecustomize.py` is on the path of workers that
the harness starts, and has them changed before they serve. README.md says what each one is.
"""

import asyncio
import dataclasses
import os
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

_COMMITS_LATE = 0.03
_EVERY = 7


def prepare_worker(broken: str, clock: str, serving: str) -> None:
    """Change this process.

    Args:
        broken: A name of `WAYS`; empty breaks nothing.
        clock: A file with the seconds by which the clock of this process is off; empty is none.
        serving: A file where it says when it begins to take connections; empty is none.

    Raises:
        KeyError: There is no such way.
    """
    if clock:
        _skew(Path(clock))
    if serving:
        _tell_when_it_serves(Path(serving))
    if broken:
        WAYS[broken]()


def _replace(owner: object, **names: object) -> None:
    for name, value in names.items():
        assert hasattr(owner, name)
        setattr(owner, name, value)


def _skew(file: Path) -> None:
    from infrastructure.postgres.connecting import database_clock

    def system_time() -> datetime:
        return datetime.now(UTC) + timedelta(seconds=float(file.read_text() or 0))

    _replace(database_clock, system_time=system_time)


def _tell_when_it_serves(file: Path) -> None:
    from api.cli.serving import server

    run_server = server.run_server

    def telling(app: Any, listening: Any, ready: Callable[[], None], *rest: Any) -> None:
        def tell() -> None:
            with file.open("a") as told:
                told.write(f"{os.getpid()} {time.monotonic()}\n")
            ready()

        run_server(app, listening, tell, *rest)

    _replace(server, run_server=telling)


def acknowledge_before_commit() -> None:
    """Answer the callers of a batch, and commit it a moment later."""
    from infrastructure.postgres.writing.batch_writer import BatchWriter

    send = BatchWriter._is_written

    async def broken(self: Any, connection: Any, batch: Any) -> bool:
        await connection.execute("begin")
        try:
            is_written = await send(self, connection, batch)
        except BaseException:
            if not connection.closed:
                await connection.execute("rollback")
            raise
        if is_written:
            await asyncio.sleep(_COMMITS_LATE)
        await connection.execute("commit" if is_written else "rollback")
        return is_written

    _replace(BatchWriter, _is_written=broken)


def forget_keys() -> None:
    """Neither keep idempotency keys nor look for them."""
    from application.commands.idempotency import StoredAnswers
    from infrastructure.postgres.writing import batch, batch_writer

    arguments = batch.arguments

    async def replay(*_: Any) -> None:
        return None

    def without(batch: Iterable[Any]) -> dict[str, Any]:
        return arguments(dataclasses.replace(append, keys=()) for append in batch)

    _replace(StoredAnswers, replay=replay)
    _replace(batch_writer, arguments=without)


def skip_after_reconnect() -> None:
    """Have a reader who comes back miss the next event of the session."""
    from application.reads.streams.tail import Tails

    stream = Tails.stream

    def broken(self: Any, session_id: Any, since: int, wanted: Any) -> Any:
        return stream(self, session_id, since + 1 if since else since, wanted)

    _replace(Tails, stream=broken)


def always_ready() -> None:
    """Say that all is well, whatever the writers and connections say."""
    from infrastructure.postgres.connecting.readiness import PostgresReadiness

    async def troubles(_: Any) -> tuple[()]:
        return ()

    _replace(PostgresReadiness, troubles=troubles)


def leave_rows() -> None:
    """Leave the row of a list as it was, now and then."""
    from infrastructure.postgres.writing import batch, batch_writer

    arguments = batch.arguments
    seen = 0

    def stale(batch: Iterable[Any]) -> dict[str, Any]:
        return arguments(map(leave, batch))

    def leave(append: Any) -> Any:
        nonlocal seen
        if append.row is None or not append.before or not append.of_session:
            return append
        seen += 1
        return append if seen % _EVERY else dataclasses.replace(append, row=None)

    _replace(batch_writer, arguments=stale)


def wait_for_ever() -> None:
    """Give the database all the time it wants."""
    from infrastructure.postgres.writing import group_commit

    limits = group_commit.CommitLimits.__init__

    def patient(self: Any, **given: Any) -> None:
        limits(self, **given | {"patience": 600.0})

    _replace(group_commit.CommitLimits, __init__=patient)


def trust_the_own_clock() -> None:
    """Go by the clock of the machine, and not by that of the database."""
    from infrastructure.postgres.connecting import database_clock

    def now(_: Any) -> datetime:
        return database_clock.system_time()

    _replace(database_clock.DatabaseClock, now=now)


WAYS: dict[str, Callable[[], None]] = {
    "acknowledge-before-commit": acknowledge_before_commit,
    "forget-keys": forget_keys,
    "skip-after-reconnect": skip_after_reconnect,
    "always-ready": always_ready,
    "leave-rows": leave_rows,
    "wait-for-ever": wait_for_ever,
    "trust-the-own-clock": trust_the_own_clock,
}
"""All ways, by the names that `--broken` takes."""
