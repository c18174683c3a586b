"""What retention asks of the world: sessions that are old, archives of them, and its last run."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal, NamedTuple, Protocol
from uuid import UUID

Action = Literal["archive_and_erase", "archive", "erase"]


class RetentionPolicy(NamedTuple):
    """Which sessions are kept for how long, and what becomes of them then.

    Args:
        name: Of the policy; the reason of what it erases.
        where: Filters, by the names that lists have for them.
        older_than: How long nothing was said in them.
        action: What is done.
        archive: The folder that bundles go into; None when nothing is archived.
    """

    name: str
    where: dict[str, str]
    older_than: timedelta
    action: Action
    archive: Path | None

    @property
    def reason(self) -> str:
        """Why it erases, as the log has it."""
        return f"retention policy {self.name}"


class ExpiredSession(NamedTuple):
    """A session that a policy keeps no longer.

    Args:
        session_id: Which.
        heads: The newest sequences of the logs that go with it: its forks, and itself.
        is_held: A legal hold on one of them keeps all of them.
    """

    session_id: UUID
    heads: Mapping[UUID, int]
    is_held: bool

    def went_on(self, heads: Mapping[UUID, int]) -> bool:
        """Return whether something was said since it was found.

        Args:
            heads: Of what is left of it: a fork is gone that was erased with its origin.
        """
        return any(self.heads.get(log_id) != head for log_id, head in heads.items())


class KeptMeanwhile(Exception):
    """A session was not erased: it is held or has gone on since it was found."""


class UnderHold(KeptMeanwhile):
    """A legal hold was set on it, or on a fork of it."""


class ArchiveDamaged(Exception):
    """An archive is not what was to be archived, or not whole; the message says what is wrong."""


class ExpiredSessions(Protocol):
    """Finds and erases what policies keep no longer."""

    def of(self, policy: RetentionPolicy, before: datetime) -> AsyncGenerator[ExpiredSession]:
        """Yield the sessions that a policy is about.

        Args:
            policy: Which.
            before: Nothing was said in them since.
        """
        ...

    async def erase(self, session: ExpiredSession, reason: str) -> None:
        """Erase a session with its forks.

        Args:
            session: As far as it may be erased: to the sequences that it names.
            reason: Why.

        Raises:
            UnderHold: It must be kept.
            KeptMeanwhile: It has gone on.
        """
        ...


class Archives(Protocol):
    """Bundles that outlive what they were made of."""

    async def write(self, folder: Path, log_ids: Sequence[UUID]) -> Path:
        """Write a bundle, and return where it is.

        Args:
            folder: What it becomes a folder of.
            log_ids: What goes into it.

        Raises:
            OSError: It cannot be written.
        """
        ...

    async def verify(self, bundle: Path, log_ids: Sequence[UUID]) -> Mapping[UUID, int]:
        """Read a bundle again from its manifest to the last digest, and return the heads in it.

        Args:
            bundle: Where it is.
            log_ids: What must be in it.

        Raises:
            ArchiveDamaged: It is not whole.
        """
        ...


class RetentionRun(NamedTuple):
    """The last run of the job.

    Args:
        ago: How long ago it began.
        ended: It came to its end.
        failure: What went wrong; None when nothing did.
    """

    ago: timedelta
    ended: bool
    failure: str | None


class RetentionRuns(Protocol):
    """Remembers the last run of the job, by the time of the store."""

    async def last(self) -> RetentionRun | None:
        """Return the last run; None when there was none."""
        ...

    async def begin(self) -> None:
        """Note that a run begins."""
        ...

    def count(self, policy: str, outcome: str, sessions: int) -> None:
        """Have those who watch see what became of sessions.

        Args:
            policy: The name of the policy.
            outcome: `done`, `held` or `changed`.
            sessions: How many.
        """
        ...

    async def end(self, failure: str | None) -> None:
        """Note that it has ended.

        Args:
            failure: What went wrong.
        """
        ...
