"""What becomes of the sessions that a policy is about.

    find → leave out what is held → archive → verify the archive → erase as far as it is archived

Nothing is erased that is not in an archive which was read again and found whole. A run may be ended
at any point: the next one finds what is left, and an archive that is not whole counts as none.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from application.ports.session.retention import (
    Archives,
    ExpiredSession,
    ExpiredSessions,
    KeptMeanwhile,
    RetentionPolicy,
    UnderHold,
)
from domain.counted import counted

_WORDS = {"archive": "archived", "erase": "erased", "archive_and_erase": "archived and erased"}


@dataclass(slots=True)
class PolicyRun:
    """What a policy comes to.

    Args:
        policy: Which.
        dry_run: Nothing was done.
        sessions: What was done with these.
        logs: How many logs they are with their forks.
        held: Sessions that a legal hold keeps.
        changed: Sessions in which something was said since they were archived: the next run's.
        archive: Where the archive is; None when none was made.
    """

    policy: RetentionPolicy
    dry_run: bool
    sessions: list[UUID] = field(default_factory=list[UUID])
    logs: int = 0
    held: list[UUID] = field(default_factory=list[UUID])
    changed: list[UUID] = field(default_factory=list[UUID])
    archive: Path | None = None

    def document(self) -> dict[str, Any]:
        """Return it as JSON may hold it."""
        return {
            "policy": self.policy.name,
            "action": self.policy.action,
            "dry_run": self.dry_run,
            "sessions": [str(one) for one in self.sessions],
            "logs": self.logs,
            "held": [str(one) for one in self.held],
            "changed": [str(one) for one in self.changed],
            "archive": None if self.archive is None else str(self.archive),
        }

    def sentence(self) -> str:
        """Return it as one line for people."""
        done = ("would be " if self.dry_run else "") + _WORDS[self.policy.action]
        sessions, forks = counted(len(self.sessions), "session"), ""
        if self.logs > len(self.sessions):
            forks = f", {counted(self.logs, 'log')} with their forks"
        return f"{self.policy.name}: {sessions} {done}{forks}"


class Retention:
    """Does what policies say.

    Args:
        sessions: Finds and erases what is old.
        archives: Writes and verifies archives.
        now: Tells the time, UTC.
    """

    def __init__(
        self, sessions: ExpiredSessions, archives: Archives, now: Callable[[], datetime]
    ) -> None:
        self._sessions = sessions
        self._archives = archives
        self._now = now

    async def apply(self, policy: RetentionPolicy, *, dry_run: bool) -> PolicyRun:
        """Archive and erase what a policy keeps no longer.

        Args:
            policy: Which.
            dry_run: Only say what would be done.

        Raises:
            ArchiveDamaged: The archive is not whole, so nothing was erased.
            OSError: The archive cannot be written.
            CairnError: It cannot be done now.
        """
        outcome = PolicyRun(policy, dry_run)
        expired: list[ExpiredSession] = []
        async for one in self._sessions.of(policy, self._now() - policy.older_than):
            if one.is_held:
                outcome.held.append(one.session_id)
            else:
                expired.append(one)
        if expired and not dry_run:
            if policy.archive is not None:
                expired = await self._archive(policy, policy.archive, expired, outcome)
            if policy.action != "archive":
                expired = [one for one in expired if await self._erase(policy, one, outcome)]
        outcome.sessions = [one.session_id for one in expired]
        outcome.logs = len({log_id for one in expired for log_id in one.heads})
        return outcome

    async def _archive(
        self,
        policy: RetentionPolicy,
        beside: Path,
        expired: list[ExpiredSession],
        outcome: PolicyRun,
    ) -> list[ExpiredSession]:
        """Return them as far as they are in an archive that is whole."""
        log_ids = list(dict.fromkeys(log_id for one in expired for log_id in one.heads))
        outcome.archive = await self._archives.write(beside / policy.name, log_ids)
        heads = await self._archives.verify(outcome.archive, log_ids)
        return [
            one._replace(heads={log_id: heads[log_id] for log_id in one.heads}) for one in expired
        ]

    async def _erase(
        self, policy: RetentionPolicy, session: ExpiredSession, outcome: PolicyRun
    ) -> bool:
        try:
            await self._sessions.erase(session, policy.reason)
        except UnderHold:
            # Set since it was archived: it stays, and the archive is one copy more.
            outcome.held.append(session.session_id)
        except KeptMeanwhile:
            outcome.changed.append(session.session_id)
        else:
            return True
        return False
