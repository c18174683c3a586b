"""Children and forks, as far as they need more than one session to be looked at."""

from collections.abc import Container
from uuid import UUID

from application.commands.handler import CommandHandler
from application.commands.repository import SessionRepository
from application.commands.request import Request
from application.errors import CursorAhead, StaleSequence
from application.ports.store import ListedSession, Store
from application.reads.queries import Queries
from domain.errors import SessionIsDeleted, SessionNotFound
from domain.session.commands import CreateSession
from domain.session.lineage import counted, fork, inherited, live_children
from domain.session.state import Session
from domain.values import Origin

_LONGEST_LINE = 16


class Lineages:
    """Looks at several sessions before one of them is asked for something.

    Args:
        store: Where their logs are.
        repository: Loads the states of sessions.
        handler: Has children counted.
        queries: Who says which sessions can be read.
    """

    def __init__(
        self,
        store: Store,
        repository: SessionRepository,
        handler: CommandHandler,
        queries: Queries,
    ) -> None:
        self._store = store
        self._repository = repository
        self._handler = handler
        self._queries = queries

    async def count(self, parent_id: UUID) -> None:
        """Have children counted out that ended, and in that were resumed, untold to their parent.

        Args:
            parent_id: Who is about to spawn another.
        """
        parent = (await self._repository.load(parent_id)).session
        living = await self._store.read_models.living_children(parent_id)
        for child_id in sorted({*living} ^ {*live_children(parent)}):
            command = counted(child_id, (await self._repository.load(child_id)).session)
            await self._handler.handle(
                Request(parent_id, command, actor="system", origin="lineage")
            )

    async def forked(
        self,
        origin_id: UUID,
        at: int | None,
        command: CreateSession,
        expected: Container[int] | None = None,
    ) -> tuple[CreateSession, Session]:
        """Return the command that begins a fork, and the state that it inherits.

        Args:
            origin_id: The session to fork.
            at: The sequence after which the fork goes its own way; None is the newest.
            command: What is to be different; the owner never is.
            expected: The newest sequences that the caller allows; None allows any.

        Raises:
            SessionNotFound: There is no such session.
            SessionIsDeleted: It was deleted.
            StaleSequence: It is at another sequence than the caller allows.
            CursorAhead: It has not come to that sequence.
        """
        row = await self._row(origin_id)
        if expected is not None and row.sequence not in expected:
            raise StaleSequence(None, head=row.sequence)
        if at is not None and at > row.sequence:
            raise CursorAhead(None, head=row.sequence, cursor=at)
        loaded = await self._repository.load_at(origin_id, at or row.sequence)
        if loaded.origins >= _LONGEST_LINE:
            # So a cold fork of forks never has to fold more logs than this.
            await self._repository.save(origin_id, loaded.session)
        source = Origin(
            session_id=origin_id, sequence=loaded.session.sequence, digest=loaded.digest.hex()
        )
        return fork(loaded.session, command, source), inherited(loaded.session)

    async def state_at(self, session_id: UUID, sequence: int) -> Session:
        """Return the state of a session as it was after a past event.

        Args:
            session_id: Which.
            sequence: The event.

        Raises:
            SessionNotFound: There is no such session.
            SessionIsDeleted: It was deleted.
            CursorAhead: It has not come to that sequence.
        """
        row = await self._row(session_id)
        if sequence > row.sequence:
            raise CursorAhead(None, head=row.sequence, cursor=sequence)
        return (await self._repository.load_at(session_id, sequence)).session

    async def _row(self, session_id: UUID) -> ListedSession:
        # A command to what was deleted is told so, however close behind the deletion it comes.
        row = await self._store.read_models.session(session_id)
        if row is None or row.hidden:
            raise SessionNotFound
        if row.status == "deleted":
            raise SessionIsDeleted
        return row

    async def ancestry(self, session_id: UUID) -> list[UUID]:
        """Return the ids of a session's parent, its parent, and so on up to the root.

        Args:
            session_id: Which.

        Raises:
            SessionNotFound: There is no such session, or it was deleted.
        """
        await self._queries.session(session_id)
        line: list[UUID] = []
        session = (await self._repository.load(session_id)).session
        while session.lifecycle.lineage is not None:
            line.append(session.lifecycle.lineage.parent_id)
            session = (await self._repository.load(line[-1])).session
        return line
