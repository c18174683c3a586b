"""Background jobs, each run by one process at a time, however many share the database.

An advisory lock decides who runs a job. A connection of its own holds the lock: a killed process
loses both, and another takes over within seconds. A process that stands still gives no sign of
life, so another has the database end its connection. A process may learn a moment too late that its
lock is gone: what a job writes must therefore be safe when two write it (at an expected version, or
the same again).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from hashlib import sha256

import psycopg
from psycopg import AsyncConnection

from application.errors import Busy
from domain.errors import Damaged, Unavailable
from infrastructure.postgres import sql
from infrastructure.postgres.connecting.database import Database
from infrastructure.postgres.connecting.job_board import JobBoard
from infrastructure.postgres.connecting.outcomes import READ_ONLY, outcome_of
from infrastructure.postgres.connecting.sockets import within

_STATEMENTS = sql.load("single_owner")
_LOST = (psycopg.OperationalError, psycopg.InterfaceError, OSError)
_ANSWERED_WITHIN = 5.0
_BEATS = 5
"""How many signs of life an owner gives in the time after which it counts as gone."""

_logger = logging.getLogger("cairn.jobs")

Work = Callable[[], Awaitable[float]]
Wake = Callable[[float], Awaitable[object]]
LetGo = Callable[[], Awaitable[None]]


async def _nothing() -> None:
    pass


class SingleOwner:
    """Runs a job in rounds while this process owns it.

    Args:
        database: Whose lock decides.
        board: Says who should ask for a job, and who should give one back.
        name: Of the job; the same one in all processes that may run it.
        work: Does one round, and returns the seconds until the next one at the latest. It is
            cancelled when the ownership is lost.
        wake: Waits so many seconds, or less when there is something to do sooner.
        let_go: Called when the ownership ends, while the lock is still held unless it was lost:
            ends what rounds have left running.
        retry: Seconds after which a process that does not own the job asks for it again.
        pause: Seconds until a round that failed is tried again.
        rest: Seconds until one that found damage is: somebody has to mend it first.
        patience: Seconds that `stop` waits for a round before it is cancelled.
    """

    def __init__(
        self,
        database: Database,
        board: JobBoard,
        name: str,
        work: Work,
        *,
        wake: Wake = asyncio.sleep,
        let_go: LetGo = _nothing,
        retry: float = 2.0,
        pause: float = 1.0,
        rest: float = 60.0,
        patience: float = 5.0,
    ) -> None:
        self._database = database
        self._board = board
        self._name = name
        self._work = work
        self._wake = wake
        self._let_go = let_go
        self._retry = retry
        self._pause = pause
        self._rest = rest
        self._patience = patience
        self._key = {"key": lock_key(name)}
        self._self = {"job": name, "process": board.process}
        self._nudged = asyncio.Event()
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._waits = False
        self._is_damaged = False
        self.owns = False
        board.join(name, self._nudged.set)

    async def start(self) -> None:
        """Begin to ask for the job; returns at once."""
        self._stopping.clear()
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Give the job back, after the round that runs now."""
        if self._task is None:
            return
        self._stopping.set()
        self._nudged.set()
        _, late = await asyncio.wait((self._task,), timeout=self._patience)
        if late:
            _logger.warning("the job %s was stopped in the middle of a round", self._name)
            self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._task = None

    async def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                if self._board.may_take(self._name):
                    connection = await self._take()
                    if connection is not None:
                        await self._own(connection)
                    else:
                        self._waits = False
            except (Busy, Unavailable, psycopg.Error, OSError) as failed:
                if not self._is_waited_for(failed):
                    _logger.exception("the job %s was given up; trying again", self._name)
            except Exception:
                _logger.exception("the job %s was given up; trying again", self._name)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._retry):
                    await self._stopping.wait()

    async def _take(self) -> AsyncConnection | None:
        """Return the connection that has the lock; None when another process has it."""
        # Asked on a connection that is there anyway: those who wait do not hold one each.
        if not (await self._database.fetch(_STATEMENTS["is_free"], self._key))[0][0]:
            await self._end_silent_owner()
            return None
        connection = await self._database.connect(f"cairn job {self._name}")
        try:
            if await within(connection, _ANSWERED_WITHIN, self._locked(connection)):
                return connection
        except BaseException:
            await connection.close()
            raise
        await connection.close()
        return None

    async def _locked(self, connection: AsyncConnection) -> bool:
        await connection.execute(_STATEMENTS["keep_alive"])
        found = await (await connection.execute(_STATEMENTS["try_lock"], self._key)).fetchone()
        if found is None or not found[0]:
            return False
        await connection.execute(_STATEMENTS["listen"])
        await self._tell(connection, "own")
        return True

    async def _end_silent_owner(self) -> None:
        """Have the database take the lock from an owner that gives no sign of life."""
        values = {"job": self._name, "seconds": self._board.silence}
        ended = await self._database.fetch(_STATEMENTS["end_silent"], values)
        if ended:
            _logger.warning("the owner of the job %s stood still and has lost it", self._name)

    async def _own(self, connection: AsyncConnection) -> None:
        """Do rounds until the connection is lost, or the job is to stop or to be given back."""
        _logger.debug("this process runs the job %s", self._name)
        self.owns = True
        self._board.took(self._name)
        watch = asyncio.create_task(self._watch(connection))
        try:
            while not self._is_over(watch):
                self._nudged.clear()
                seconds = await self._round(watch)
                if not self._is_over(watch):
                    await self._until_next(seconds, watch)
        finally:
            lost = watch.done()
            self.owns = False
            self._board.gave(self._name)
            try:
                await self._let_go()
            finally:
                watch.cancel()
                await asyncio.gather(watch, return_exceptions=True)
                with suppress(*_LOST):
                    await connection.close()
                _logger.debug("this process %s the job %s", "lost" if lost else "left", self._name)

    def _is_over(self, watch: asyncio.Task[None]) -> bool:
        return self._stopping.is_set() or watch.done() or self._board.is_to_give(self._name)

    async def _round(self, watch: asyncio.Task[None]) -> float:
        """Do one round, and return the seconds until the next."""
        doing = asyncio.ensure_future(self._work())
        try:
            await asyncio.wait((doing, watch), return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not doing.done():
                doing.cancel()
                await asyncio.gather(doing, return_exceptions=True)
        try:
            seconds = doing.result()
        except asyncio.CancelledError:
            return self._pause
        except (Busy, Unavailable, psycopg.Error) as failed:
            # Whether a command was stored may not be known either: the next round finds out.
            if not self._is_waited_for(failed):
                _logger.exception("a round of the job %s failed; trying again", self._name)
            return self._pause
        except Damaged as damaged:
            if not self._is_damaged:
                _logger.error("the job %s cannot go on: %s", self._name, damaged)  # noqa: TRY400
            self._is_damaged = True
            return self._rest
        except Exception:
            _logger.exception("a round of the job %s failed; trying again", self._name)
            return self._pause
        self._waits = self._is_damaged = False
        return seconds

    def _is_waited_for(self, failed: Exception) -> bool:
        """Return whether the database is to blame, which is told once until things go on."""
        if isinstance(failed, psycopg.Error) and outcome_of(failed) is None:
            return False
        if not self._waits:
            _logger.warning("the job %s waits for the database: %s", self._name, failed)
        self._waits = True
        return True

    async def _until_next(self, seconds: float, watch: asyncio.Task[None]) -> None:
        waking = asyncio.ensure_future(self._wake(seconds))
        nudged = asyncio.create_task(self._nudged.wait())
        try:
            await asyncio.wait((waking, nudged, watch), return_when=asyncio.FIRST_COMPLETED)
            if waking.done():
                waking.result()
        finally:
            waking.cancel()
            nudged.cancel()
            await asyncio.gather(waking, nudged, return_exceptions=True)

    async def _watch(self, connection: AsyncConnection) -> None:
        """Return when the connection is lost; until then, give signs of life and hear nudges."""
        try:
            while True:
                # Waits on the socket itself, so that an end that is told is heard at once.
                async for heard in connection.notifies(timeout=self._board.silence / _BEATS):
                    if heard.payload == self._name:
                        self._nudged.set()
                await within(connection, _ANSWERED_WITHIN, self._tell(connection, "beat"))
        except _LOST as lost:
            _logger.warning("the job %s lost its connection: %s", self._name, lost)

    async def _tell(self, connection: AsyncConnection, what: str) -> None:
        try:
            await connection.execute(_STATEMENTS[what], self._self)
        except psycopg.Error as refused:
            if isinstance(refused, _LOST):
                raise
            outcome = outcome_of(refused)
            if outcome is READ_ONLY and await self._database.state() == "open":
                # Opened while the database took no writes, it may say so for ever.
                raise psycopg.OperationalError("it takes no writes, others do") from refused
            # It has the lock all the same, and nobody takes it from a database without writes.
            _logger.debug("the job %s cannot give a sign of life: %s", self._name, refused)


async def nudge(database: Database, name: str) -> None:
    """Have whichever process owns a job do a round now.

    Args:
        database: Whose lock decides who owns it.
        name: Of the job.

    Raises:
        StoreUnavailable: The database did not answer in time.
    """
    await database.run(_STATEMENTS["nudge"], {"name": name})


def lock_key(name: str) -> int:
    """Return the key of the advisory lock that the owner of a job holds.

    Args:
        name: Of the job.
    """
    digest = sha256(b"cairn job " + name.encode()).digest()
    return int.from_bytes(digest[:8], signed=True)
