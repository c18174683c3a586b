"""Children, forks and past states: what needs more than one session to be looked at."""

from uuid import UUID

from application.commands.handler import CommandHandler
from application.commands.repository import SessionRepository
from application.commands.request import Caller, Outcome, Request
from application.errors import CursorAhead, require_sequence
from application.ports.session.listing import ListedSession
from application.ports.store import Store
from application.projections.listed_document import listed_document
from application.projections.session_document import activity_document
from application.reads.erased import refuse_erased
from application.reads.queries import Queries
from application.reads.transcript.names import TranscriptNames
from domain.errors import Invalid, SessionIsDeleted, SessionNotFound
from domain.permissions.grants import Grants
from domain.permissions.permission_rules import PermissionRules
from domain.session.commands import CreateSession, SpawnSession
from domain.session.family.children import child_status_command, live_children
from domain.session.family.forks import fork, inherited
from domain.session.state import Session
from domain.values import Agent, JsonObject, Origin, SessionLimits

_LONGEST_LINE = 16


class Lineages:
    """Spawns and forks sessions.

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
        self._names = TranscriptNames(repository, queries, store.codec)
        self._store = store
        self._repository = repository
        self._handler = handler
        self._queries = queries

    async def spawn(
        self,
        caller: Caller,
        parent_id: UUID,
        *,
        agent: Agent,
        ttl_seconds: int,
        child_id: UUID | None = None,
        role: str = "worker",
        auto_stop: bool = True,
        grants: Grants | None = None,
        workspace: str | None = None,
        title: str | None = None,
        permissions: PermissionRules | None = None,
        limits: SessionLimits | None = None,
        metadata: JsonObject | None = None,
        allow_stopped_parent: bool = False,
    ) -> Outcome:
        """Begin a child session, in one transaction with its parent's word of it.

        Args:
            caller: Who asks.
            parent_id: The session that spawns it.
            agent: Who answers in it.
            ttl_seconds: After which it is stopped.
            child_id: A new one by default.
            role: What it is for.
            auto_stop: It ends with its parent.
            grants: What it may use; nothing by default.
            workspace: Where it works; where its parent does by default.
            title: For people.
            permissions: Its rules; those of its parent by default.
            limits: Its limits; those of its parent by default.
            metadata: What the caller says of it.
            allow_stopped_parent: Its parent need not be active.

        Returns:
            What became of it; the answer has the child, as it is now if it was there already.
        """
        # Before anything is looked at: the sessions may be others by now.
        outcome = await self._handler.replay(caller.key_in(parent_id))
        if outcome is None:
            await self.count(parent_id)
            command = SpawnSession(
                parent_id=parent_id,
                child_id=child_id or self._store.clock.new_id(),
                agent=agent,
                ttl_seconds=ttl_seconds,
                role=role,
                auto_stop=auto_stop,
                grants=grants or Grants(),
                workspace=workspace,
                title=title,
                permissions=permissions,
                limits=limits,
                metadata=metadata or {},
                allow_stopped_parent=allow_stopped_parent,
            )
            outcome = await self._handler.handle(caller.asks(parent_id, command))
        if outcome.changed:
            return outcome
        row = await self._queries.session(UUID(str(outcome.answer["session"]["id"])))
        document = listed_document(row, self._store.codec.from_json)
        document |= activity_document(row.activity)
        child = {**document, "sequence": row.sequence, "position": row.position}
        return outcome._replace(answer={"session": child})

    async def fork(
        self,
        caller: Caller,
        origin_id: UUID,
        wanted: CreateSession,
        *,
        at: int | None = None,
        message_id: str | None = None,
        fork_id: UUID | None = None,
    ) -> Outcome:
        """Begin a session with what another one said and knew after one of its events.

        Args:
            caller: Who asks; the sequences it expects are those of the origin.
            origin_id: The session to fork.
            wanted: What is to be different; the owner never is.
            at: The sequence after which the fork goes its own way; None is the newest.
            message_id: In the place of a sequence, an entry of the transcript: after all of it.
            fork_id: A new one by default.

        Raises:
            SessionNotFound: There is no such session.
            SessionIsDeleted: It was deleted.
            StaleSequence: It is at another sequence than the caller allows.
            CursorAhead: It has not come to that sequence.
        """
        key = caller.key_in(origin_id)
        # Before anything is looked at: the origin may be another one by now.
        replayed = await self._handler.replay(key)
        if replayed is not None:
            return replayed
        at = await self.place_of(origin_id, at, message_id)
        command, inherits = await self.forked(origin_id, at, wanted, caller.expected)
        request = caller.asks(fork_id or self._store.clock.new_id(), command)
        return await self._handler.handle(
            request._replace(expected=None, idempotency=key, inherits=inherits)
        )

    async def place_of(
        self, session_id: UUID, at: int | None, message_id: str | None
    ) -> int | None:
        """Return the sequence that a request names, by itself or by an entry of the transcript.

        Args:
            session_id: Of which session.
            at: The sequence.
            message_id: The id of an entry: the last event that is part of it.

        Raises:
            Invalid: Both are given, or the entry is that of another log.
            MessageNotFound: The transcript has no such entry.
        """
        if message_id is None:
            return at
        if at is not None:
            raise Invalid("name an event or a message, not both", field="message_id")
        return await self._names.end_of(session_id, message_id)

    async def count(self, parent_id: UUID) -> None:
        """Have children counted out that ended, and in that were resumed, untold to their parent.

        Args:
            parent_id: Who is about to spawn another.
        """
        parent = (await self._repository.load(parent_id)).session
        living = await self._store.session_rows.living_children(parent_id)
        for child_id in sorted({*living} ^ {*live_children(parent)}):
            command = child_status_command(
                child_id, (await self._repository.load(child_id)).session
            )
            await self._handler.handle(
                Request(parent_id, command, actor="system", origin="lineage")
            )

    async def forked(
        self,
        origin_id: UUID,
        at: int | None,
        command: CreateSession,
        expected: frozenset[int] | None = None,
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
        require_sequence(row.sequence, expected)
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
        row = await self._store.session_rows.session(session_id)
        if row is None:
            raise SessionNotFound
        await refuse_erased(self._store, row)
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
