"""Retention by itself: one process runs the policies of a file, every so often."""

import logging
from collections.abc import Callable, Sequence
from datetime import timedelta

from application.errors import OutcomeUnknown, StoreUnavailable
from application.ports.session.retention import ArchiveDamaged, RetentionPolicy, RetentionRuns
from application.retention.keeping import PolicyRun, Retention
from application.retention.policies import PolicyFault
from domain.counted import counted
from domain.errors import CairnError

_LOOKS_EVERY = 600.0
_AFTER_FAULT = timedelta(minutes=10)

_logger = logging.getLogger("cairn.retention")


class RetentionJob:
    """Runs policies when it is time.

    Args:
        retention: Does what they say.
        policies: Reads them, each time anew.
        runs: Remembers the last run, whichever process made it.
        every: The time from the beginning of a run to the next.
    """

    def __init__(
        self,
        retention: Retention,
        policies: Callable[[], Sequence[RetentionPolicy]],
        runs: RetentionRuns,
        *,
        every: timedelta,
    ) -> None:
        self._retention = retention
        self._policies = policies
        self._runs = runs
        self._every = every

    async def round(self) -> float:
        """Run the policies if it is time, and return the seconds until the next look."""
        wait = await self._wait()
        if wait <= timedelta():
            await self._runs.begin()
            await self._runs.end(await self._run())
            wait = await self._wait()
        return min(max(wait.total_seconds(), 1.0), _LOOKS_EVERY)

    async def _wait(self) -> timedelta:
        """Return how long it is until the next run."""
        last = await self._runs.last()
        if last is None or not last.ended:
            # One that was killed half-way goes on at once.
            return timedelta()
        every = self._every if last.failure is None else min(self._every, _AFTER_FAULT)
        return every - last.ago

    async def _run(self) -> str | None:
        """Run all policies, and return what went wrong; one that fails keeps no other back."""
        try:
            policies = self._policies()
        except PolicyFault as fault:
            _logger.error("the retention policies cannot be followed: %s", fault)  # noqa: TRY400
            return str(fault)
        failures: list[str] = []
        for policy in policies:
            try:
                outcome = await self._retention.apply(policy, dry_run=False)
            except (StoreUnavailable, OutcomeUnknown):
                raise
            except (ArchiveDamaged, CairnError, OSError) as fault:
                _logger.error("retention policy %s has failed: %s", policy.name, fault)  # noqa: TRY400
                failures.append(f"{policy.name}: {fault}")
                continue
            self._tell(outcome)
        return "; ".join(failures) or None

    def _tell(self, outcome: PolicyRun) -> None:
        name, held, changed = outcome.policy.name, len(outcome.held), len(outcome.changed)
        for became, sessions in (
            ("done", len(outcome.sessions)),
            ("held", held),
            ("changed", changed),
        ):
            self._runs.count(name, became, sessions)
        into = "" if outcome.archive is None else f", into {outcome.archive}"
        _logger.info("%s%s", outcome.sentence(), into)
        if held:
            _logger.info("%s: %s under a legal hold", name, counted(held, "session"))
        if changed:
            _logger.info("%s: %s with more said meanwhile", name, counted(changed, "session"))
