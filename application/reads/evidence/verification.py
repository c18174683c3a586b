"""Verification: every event of a session against its chain, and what is derived against the events.

All that the server keeps beside the log is folded anew from the first event, and compared: the end
of the log and the row that lists show, and each kept state. What is found is named by the codes of
repair; the first event that is bad says where to look.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from itertools import islice
from random import SystemRandom
from uuid import UUID

from application.commands.repository import SessionRepository
from application.ports.log.census import Census
from application.ports.log.codec import Codec
from application.ports.log.inspection import Inspection, Inspector
from application.reads.evidence.session_check import Finding, SessionCheck, SessionVerdict
from application.reads.evidence.tree_check import TreeCheck
from domain.errors import SessionNotFound

_chance = SystemRandom()

_AT_ONCE = 500
_TOGETHER = 100
"""Sessions that are read by one statement, if they are short."""
_BEFORE_ALL = UUID(int=0)


class Verification:
    """Verifies sessions.

    Args:
        codec: Reads their records.
        inspector: Reads their logs as they lie there.
        repository: Knows what a fork begins with.
        census: Knows which there are.
        tree: Checks what is kept to prove the log.
    """

    def __init__(
        self,
        codec: Codec,
        inspector: Inspector,
        repository: SessionRepository,
        census: Census,
        tree: TreeCheck,
    ) -> None:
        self._census = census
        self._tree = tree
        self._codec = codec
        self._inspector = inspector
        self._repository = repository

    async def all(
        self, *, sample: float = 1.0, changed_since: int = 0
    ) -> AsyncGenerator[SessionVerdict]:
        """Yield the verdict on each session, one that stands for the log as a whole at the end.

        The tree over the log is held against all of it, unless only a sample is wanted.

        Args:
            sample: The part of the sessions to check, chosen by chance; above 0, up to 1.
            changed_since: Only sessions with events after this position.
        """
        after = _BEFORE_ALL
        while page := await self._census.sessions(after, _AT_ONCE, changed_since=changed_since):
            after = page[-1]
            wanted = [one for one in page if sample >= 1 or _chance.random() < sample]
            for start in range(0, len(wanted), _TOGETHER):
                together = wanted[start : start + _TOGETHER]
                verdicts = await self._short(together)
                for session_id in together:
                    yield verdicts.get(session_id) or await self.verify(session_id)
        head, missing, beyond = await self._census.positions()
        findings: list[Finding] = []
        if missing:
            detail = f"{missing} of the positions 1 to {head} have no event"
            findings.append(Finding(None, "position_gap", None, detail))
        if beyond:
            detail = f"{beyond} of the events are beyond the head {head}"
            findings.append(Finding(None, "position_beyond_head", None, detail))
        if sample >= 1:
            findings += [
                Finding(None, code, None, detail) for code, detail in await self._tree.faults()
            ]
        yield SessionVerdict(None, 0, findings)

    async def count(self, changed_since: int = 0) -> int:
        """Return about how many sessions `all` would look at without a sample.

        Args:
            changed_since: Only sessions with events after this position.
        """
        return await self._census.count(changed_since)

    async def verify(self, session_id: UUID) -> SessionVerdict:
        """Check a session, also one that was deleted or is the stream of something else.

        Args:
            session_id: Which.

        Raises:
            SessionNotFound: The store has nothing of it.
        """
        async with self._inspector.look_at(session_id) as inspection:
            check = await self._checked(session_id, inspection)
            if check is None:
                raise SessionNotFound
            check.compare_keys(await inspection.keys(check.keys))
        return check.verdict

    async def _short(self, session_ids: Sequence[UUID]) -> dict[UUID, SessionVerdict]:
        """Return the verdicts on those that have few events, which are read all at once."""
        checks: list[SessionCheck] = []
        async with self._inspector.look_at_short(session_ids) as looking:
            for session_id, inspection in looking.inspections.items():
                check = await self._checked(session_id, inspection)
                if check is not None:
                    checks.append(check)
                # Others have their turns between them.
                await asyncio.sleep(0)
            kept = iter(await looking.keys([write for check in checks for write in check.keys]))
            for check in checks:
                check.compare_keys([*islice(kept, len(check.keys))])
        verdicts = (check.verdict for check in checks)
        return {one.session_id: one for one in verdicts if one.session_id is not None}

    async def _checked(self, session_id: UUID, inspection: Inspection) -> SessionCheck | None:
        """Return the check of a session, with keys left to compare; None when there is no such."""
        row = await inspection.row()
        check = SessionCheck(
            self._codec, inspection, self._repository, session_id, is_listed=row is not None
        )
        async with aclosing(inspection.events()) as pages:
            async for page in pages:
                await check.page(page)
        if row is None and not check.events:
            return None
        check.end(row)
        return check
