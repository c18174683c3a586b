"""Which of the processes run which background jobs: spread evenly, and none without an owner.

The lock of a job decides who owns it (`single_owner.py`). What is here only says who should ask for
a lock and who should give one back, and sees a job that nobody runs.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from uuid import UUID, uuid4

import psycopg

from application.background import Background
from application.errors import StoreUnavailable
from application.ports.readiness import Trouble
from infrastructure.metrics import JOB_OWNED, JOB_UNOWNED
from infrastructure.postgres import sql
from infrastructure.postgres.connecting.database import Database

_STATEMENTS = sql.load("single_owner")

_logger = logging.getLogger("cairn.jobs")


class JobBoard:
    """What this process knows of the owners of jobs; looked at once a second.

    Args:
        database: Where processes tell each other.
        every: Seconds between two looks.
        silence: Seconds without a sign of life after which a process or an owner counts as gone.
        patience: Seconds without an owner after which anybody takes a job, and after which it is
            a trouble that nobody does, three times as many.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        database: Database,
        *,
        every: float = 1.0,
        silence: float = 5.0,
        patience: float = 10.0,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._database = database
        self._every = every
        self.silence = silence
        self._patience = patience
        self._clock = clock
        self._watched_since: float | None = None
        self.process: UUID = uuid4()
        self._reconsider: dict[str, Callable[[], None]] = {}
        self._owned: set[str] = set()
        self._processes = 0
        self._unmoved: Mapping[str, float] = {}
        self._work = Background(self._keep_looking)

    def join(self, job: str, reconsider: Callable[[], None]) -> None:
        """Have a job that this process may run.

        Args:
            job: Its name.
            reconsider: Called when this process should give it back.
        """
        self._reconsider[job] = reconsider

    async def start(self) -> None:
        """Begin to look."""
        self._work.start()

    async def stop(self) -> None:
        """End it, and have the others reckon without this process."""
        if await self._work.stop():
            try:
                await self._database.run(_STATEMENTS["leave"], {"process": self.process})
            except (StoreUnavailable, psycopg.Error):
                _logger.debug("the other processes will see by themselves that this one has gone")

    def took(self, job: str) -> None:
        """Note that this process owns a job.

        Args:
            job: Its name.
        """
        self._owned.add(job)
        JOB_OWNED.labels(job).set(1)

    def gave(self, job: str) -> None:
        """Note that it does not any more.

        Args:
            job: Its name.
        """
        self._owned.discard(job)
        JOB_OWNED.labels(job).set(0)

    def may_take(self, job: str) -> bool:
        """Return whether this process should ask for a job: others may have fewer.

        Args:
            job: Its name.
        """
        return len(self._owned) < self._fair or self._unmoved.get(job, 0.0) > self._patience

    def is_to_give(self, job: str) -> bool:
        """Return whether this process should leave a job it owns to another one.

        Args:
            job: Its name.
        """
        return job in sorted(self._owned, reverse=True)[self._fair :]

    def troubles(self) -> Sequence[Trouble]:
        """Return a trouble for the jobs that nobody has run for long.

        What went before this process began counts for nothing: nobody ran a job while the program
        was stopped, and that is over.
        """
        long = {job: age for job, age in self._unmoved.items() if age > 3 * self._patience}
        since = self._watched_since
        if not long or since is None or self._clock() - since <= 3 * self._patience:
            return ()
        names = ", ".join(sorted(long))
        sentence = f"No process has run {names} for {max(long.values()):.0f} s; see the log."
        return (Trouble("job_unowned", sentence),)

    async def look(self) -> None:
        """Look once.

        Raises:
            StoreUnavailable: The database did not answer in time.
        """
        jobs = list(self._reconsider)
        values = {"process": self.process, "jobs": jobs, "seconds": self.silence}
        rows = await self._database.fetch(_STATEMENTS["look"], values)
        self.note(*rows[0])

    def note(self, processes: int, unmoved: Mapping[str, float]) -> None:
        """Take in what was found.

        Args:
            processes: How many there are, this one among them.
            unmoved: For each job the seconds since its owner moved last.
        """
        if self._watched_since is None:
            self._watched_since = self._clock()
        self._processes, self._unmoved = processes, unmoved
        for job, age in unmoved.items():
            JOB_UNOWNED.labels(job).set(age if age > self.silence else 0.0)
        for job in tuple(self._owned):
            if self.is_to_give(job):
                self._reconsider[job]()

    @property
    def _fair(self) -> int:
        """How many jobs each process should have at most."""
        return -(-len(self._reconsider) // max(self._processes, 1))

    async def _keep_looking(self) -> None:
        while True:
            try:
                await self.look()
            except StoreUnavailable:
                _logger.debug("who runs which job cannot be seen now")
            except psycopg.Error:
                _logger.exception("who runs which job cannot be seen; trying again")
            await asyncio.sleep(self._every)
