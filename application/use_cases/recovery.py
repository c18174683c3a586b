"""Recovery: stops the sessions whose driver is gone, and records why.

    nobody drives it, by the clock of the store → classified → stopped, as one append

It runs at start, every few seconds in one process for all, and when somebody asks for it. To read a
session never stops it.
"""

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import Any, NamedTuple
from uuid import UUID

from application.commands.handler import CommandHandler
from application.commands.repository import SessionRepository
from application.commands.request import Caller, Outcome
from application.errors import StaleSequence
from application.ports.session.recovery import DriverWatch, Patience, Undriven
from domain.errors import CairnError
from domain.health import STALE_AFTER
from domain.repair.classification import Classification, annotated
from domain.session.commands import RecoverSession
from domain.session.life.recovery import classification
from domain.values import rfc3339

MOST_TOLD = 1000
"""The most sessions that one answer lists."""

_EVERY = 5.0
_AT_ONCE = 100
_BY_ITSELF = Caller("system", "recovery")

_logger = logging.getLogger("cairn.jobs")


def patience(grace: float, unattended: float) -> Patience:
    """Return how long nobody may drive a session.

    Args:
        grace: Seconds after its lease has run out.
        unattended: Seconds after the last event of one that starts or stops without a lease.
    """
    return Patience(
        grace=timedelta(seconds=grace),
        vouched=STALE_AFTER,
        unattended=timedelta(seconds=unattended),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftBehind:
    """A session that was left behind, and what is or was done about it.

    Args:
        found: What is known beside its log.
        state: Where it stood.
        turn_id: The turn that ran.
        classification: What is said of it; None when it cannot be read.
        outcome: Of the append; None when there was none.
        error: Why nothing was appended, though it should have been.
    """

    found: Undriven
    state: str
    turn_id: str | None = None
    classification: Classification | None = None
    outcome: Outcome | None = None
    error: str | None = None

    def document(self) -> dict[str, Any]:
        """Return what users and tools meet."""
        said, found = self.classification, self.found
        detail = "" if said is None else said.detail
        return {
            "session_id": str(found.session_id),
            "state": self.state,
            "turn_id": self.turn_id,
            "lease_ended_at": found.lease_ended and rfc3339(found.lease_ended),
            "last_sign_at": found.last_sign and rfc3339(found.last_sign),
            "stop_reason": said and said.reason,
            "stop_detail": annotated(detail, self.error) if self.error else detail,
            "failure_kind": said and said.failure.kind,
            "persisted": self.outcome is not None,
            "sequence": found.sequence if self.outcome is None else self.outcome.sequence,
        }


class Recovered(NamedTuple):
    """What was found, the first of it in full, and how many more there are."""

    findings: list[LeftBehind]
    omitted: int


class Recovery:
    """Looks for sessions that were left behind, and stops them.

    Args:
        watch: Finds them.
        repository: Loads their states.
        handler: Appends.
        limits: What counts as left behind.
    """

    def __init__(
        self,
        watch: DriverWatch,
        repository: SessionRepository,
        handler: CommandHandler,
        limits: Patience,
    ) -> None:
        self._watch = watch
        self._repository = repository
        self._handler = handler
        self._limits = limits
        self._next = 0.0

    async def plan(self) -> Recovered:
        """Return what would be done now, and why; nothing is written."""
        return _told([one async for one in self._findings()])

    async def plan_for(self, session_id: UUID) -> LeftBehind | None:
        """Return what would be done about one session; None when it was not left behind.

        Args:
            session_id: Which.
        """
        rows = await self._watch.undriven(self._limits, only=session_id, limit=1)
        return await self._look(rows[0]) if rows else None

    async def recover(self, caller: Caller = _BY_ITSELF) -> Recovered:
        """Stop every session that was left behind, each in an append of its own.

        Args:
            caller: Who asks.
        """
        done = [await self._stop(caller, one) async for one in self._findings()]
        return _told([one for one in done if one is not None])

    async def round(self) -> float:
        """Do so every few seconds, and return the seconds until the next time."""
        wait = self._next - monotonic()
        if wait > 0:
            return wait
        for one in (await self.recover()).findings:
            said = one.document()
            level = logging.WARNING if one.error else logging.INFO
            _logger.log(level, "recovery of %s: %s", said["session_id"], said["stop_detail"])
        self._next = monotonic() + _EVERY
        return _EVERY

    async def _findings(self) -> AsyncIterator[LeftBehind]:
        after: UUID | None = None
        while True:
            rows = await self._watch.undriven(self._limits, after=after, limit=_AT_ONCE)
            for found in rows:
                finding = await self._look(found)
                if finding is not None:
                    yield finding
            if len(rows) < _AT_ONCE:
                return
            after = rows[-1].session_id

    async def _look(self, found: Undriven) -> LeftBehind | None:
        try:
            session = (await self._repository.load(found.session_id)).session
        except (CairnError, ValueError) as error:
            # A damaged log is for repair to tell of, and must not keep the others waiting.
            return LeftBehind(found=found, state="", error=str(error) or type(error).__name__)
        said = classification(session, _command(found))
        if said is None and session.sequence == found.sequence:
            # Its row says otherwise.
            return LeftBehind(
                found=found, state="", error="its log does not say that it is at work"
            )
        if said is None:
            return None
        turn = session.turns.running
        return LeftBehind(
            found=found,
            state=session.lifecycle.phase,
            turn_id=None if turn is None else turn.turn_id,
            classification=said,
        )

    async def _stop(self, caller: Caller, finding: LeftBehind) -> LeftBehind | None:
        """Append the stop; None when somebody drives it after all, or has stopped it."""
        if finding.classification is None:
            return finding
        session_id = finding.found.session_id
        rows = await self._watch.undriven(self._limits, only=session_id, limit=1)
        if not rows:
            return None
        request = caller.asks(session_id, _command(rows[0]))._replace(
            origin="recovery",
            expected=frozenset({finding.found.sequence}),
            idempotency=None,
        )
        try:
            outcome = await self._handler.handle(request)
        except StaleSequence:
            return None
        except CairnError as error:
            return _with(finding, error=error.detail)
        return _with(finding, outcome=outcome)


def _command(found: Undriven) -> RecoverSession:
    return RecoverSession(at=found.now, lease_ended=found.lease_ended, last_sign=found.last_sign)


def _with(
    finding: LeftBehind, *, outcome: Outcome | None = None, error: str | None = None
) -> LeftBehind:
    return LeftBehind(
        found=finding.found,
        state=finding.state,
        turn_id=finding.turn_id,
        classification=finding.classification,
        outcome=outcome,
        error=error,
    )


def _told(findings: list[LeftBehind]) -> Recovered:
    return Recovered(findings[:MOST_TOLD], max(len(findings) - MOST_TOLD, 0))
