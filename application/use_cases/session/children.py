"""Children: sessions that another one has spawned."""

from uuid import UUID

from application.commands.handler import CommandHandler
from application.commands.repository import SessionRepository
from application.commands.request import Caller, Outcome, Request
from application.ports.clock import Clock
from application.ports.log.codec import Codec
from application.ports.session.session_rows import SessionLists
from application.projections.listed_document import listed_document
from application.projections.session_document import activity_document
from application.reads.queries import Queries
from domain.permissions.grants import Grants
from domain.permissions.permission_rules import PermissionRules
from domain.session.commands import SpawnSession
from domain.session.family.children import child_status_command, live_children
from domain.values import Agent, JsonObject, SessionLimits


class Children:
    """Spawns sessions, and has them counted.

    Args:
        rows: Who the living children of a session are.
        codec: Reads what lists show.
        clock: Makes ids.
        repository: Loads the states of sessions.
        handler: Has children counted.
        queries: Who says which sessions can be read.
    """

    def __init__(
        self,
        rows: SessionLists,
        codec: Codec,
        clock: Clock,
        repository: SessionRepository,
        handler: CommandHandler,
        queries: Queries,
    ) -> None:
        self._rows = rows
        self._codec = codec
        self._clock = clock
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
                child_id=child_id or self._clock.new_id(),
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
        document = listed_document(row, self._codec.from_json)
        document |= activity_document(row.activity)
        child = {**document, "sequence": row.sequence, "position": row.position}
        return outcome._replace(answer={"session": child})

    async def count(self, parent_id: UUID) -> None:
        """Have children counted out that ended, and in that were resumed, untold to their parent.

        Args:
            parent_id: Who is about to spawn another.
        """
        parent = (await self._repository.load(parent_id)).session
        living = await self._rows.living_children(parent_id)
        for child_id in sorted({*living} ^ {*live_children(parent)}):
            command = child_status_command(
                child_id, (await self._repository.load(child_id)).session
            )
            await self._handler.handle(
                Request(parent_id, command, actor="system", origin="lineage")
            )

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
