"""Signs of life: whoever runs the agent of a session says how its process is."""

from typing import NamedTuple
from uuid import UUID

from application.commands.handler import CommandHandler
from application.commands.request import Caller
from application.ports.session.leases import Presence, Process, Sign
from application.reads.health import facts_of
from application.reads.readable import ReadableSessions
from domain.checks import require_name, require_summary
from domain.errors import Invalid, SessionIsStopped
from domain.redaction import redacted
from domain.session.commands import ReportHealth


class KeptSign(NamedTuple):
    """A sign of life that was kept, and where its session stands."""

    sign: Sign
    sequence: int
    position: int


class PresenceReports:
    """Takes signs of life.

    Args:
        signs: Keeps them.
        sessions: Finds the sessions that may give one.
        handler: Handles commands.
    """

    def __init__(
        self, signs: Presence, sessions: ReadableSessions, handler: CommandHandler
    ) -> None:
        self._signs = signs
        self._sessions = sessions
        self._handler = handler

    async def report(
        self,
        caller: Caller,
        session_id: UUID,
        reporter: str,
        process: Process,
        detail: str | None,
    ) -> KeptSign:
        """Keep a sign of life of a session that has not stopped.

        Args:
            caller: Who asks.
            session_id: Which session.
            reporter: Who runs the session's agent.
            process: How the agent's process is; `unknown` says nothing of it.
            detail: More on that, for people: at most 2,048 characters.

        Raises:
            SessionNotFound: There is no such session.
            SessionIsDeleted: It was deleted.
            SessionIsStopped: It is stopped.
            StaleSequence: It has moved on since the caller looked.
            IdempotencyKeyReused: The key of the request is that of another one.
            Invalid: What is reported cannot be kept.
        """
        require_name(reporter, "reporter")
        require_summary(detail, "detail")
        if detail is not None and "\0" in detail:
            raise Invalid("detail must not have NUL characters", field="detail")
        detail = redacted(detail)
        if await self._handler.replay(caller.key_in(session_id)) is not None:
            # Its own event is what it has moved on by.
            caller = caller._replace(expected=None)
        session = await self._sessions.living(session_id, caller.expected)
        if session.status == "stopped":
            raise SessionIsStopped
        sequence, position = session.sequence, session.position
        facts = facts_of(session)
        turned = process == ("healthy" if facts.unhealthy else "unhealthy")
        if turned and facts.info.state == "active":
            # First the event: should the row not follow it, the next report makes up for that.
            command = ReportHealth(healthy=process == "healthy", detail=detail)
            outcome = await self._handler.handle(caller.asks(session_id, command))
            sequence, position = outcome.sequence, outcome.position
        sign = await self._signs.touch(session_id, reporter, process, detail)
        return KeptSign(sign, sequence, position)
