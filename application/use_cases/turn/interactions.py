"""Requests that wait for a person: ask for a permission or for content, and decide."""

from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from application.commands.handler import CommandHandler
from application.commands.repository import SessionRepository
from application.commands.request import Caller, Outcome
from application.ports.clock import Clock
from application.ports.schemas import Schemas
from application.use_cases.turn.asked_before import AskedBefore
from domain.errors import AmbiguousInteraction, InteractionExists, InteractionNotFound, Invalid
from domain.session.commands import (
    AnswerElicitation,
    DecidePermission,
    RequestElicitation,
    RequestPermission,
)
from domain.session.guards import require_active
from domain.values import Grant, JsonObject, Option

_MOST_FAULTS = 20


class Interactions:
    """Asks people on behalf of agents, and agents' requests on behalf of people.

    Args:
        repository: Knows what was asked for.
        handler: Handles commands.
        clock: Makes ids, and says when requests expire.
        schemas: Judges the schemas of forms, and what was filled in.
        asked_before: Knows what has become of a request that is made again.
    """

    def __init__(
        self,
        repository: SessionRepository,
        handler: CommandHandler,
        clock: Clock,
        schemas: Schemas,
        asked_before: AskedBefore,
    ) -> None:
        self._repository = repository
        self._handler = handler
        self._clock = clock
        self._schemas = schemas
        self._asked_before = asked_before

    async def request_permission(
        self,
        caller: Caller,
        session_id: UUID,
        *,
        turn_id: str,
        options: tuple[Option, ...],
        request_id: str | None = None,
        tool_call_id: str | None = None,
        title: str | None = None,
        tool: str | None = None,
        arguments: JsonObject | None = None,
        read_only: bool = False,
        timeout_seconds: int | None = None,
        meta: JsonObject | None = None,
    ) -> Outcome:
        """Ask for a permission; a rule of the session may decide it at once.

        The same request under the same id, asked again, records nothing and is answered with what
        has become of it.

        Args:
            caller: Who asks.
            session_id: In which session.
            turn_id: In which turn.
            options: What a person may choose.
            request_id: A new one by default.
            tool_call_id: The call that waits for it.
            title: For the person.
            tool: The name of the tool.
            arguments: What it is to be called with.
            read_only: The tool says that it changes nothing.
            timeout_seconds: After which it is decided as `timeout`; None waits for ever.
            meta: What the agent says of it.
        """
        command = RequestPermission(
            request_id=request_id or self._clock.new_name(),
            turn_id=turn_id,
            options=options,
            tool_call_id=tool_call_id,
            title=title,
            tool=tool,
            arguments=arguments,
            read_only=read_only,
            expires_at=self._in(timeout_seconds),
            meta=meta,
        )
        return await self._ask(caller, session_id, command)

    async def elicit(
        self,
        caller: Caller,
        session_id: UUID,
        *,
        message: str,
        request_id: str | None = None,
        turn_id: str | None = None,
        schema: JsonObject | None = None,
        url: str | None = None,
        timeout_seconds: int | None = None,
        meta: JsonObject | None = None,
    ) -> Outcome:
        """Ask for content: with a form, or by sending the person to a page.

        The same request under the same id, asked again, records nothing and is answered with what
        has become of it.

        Args:
            caller: Who asks.
            session_id: In which session.
            message: For the person.
            request_id: A new one by default.
            turn_id: In which turn; None is in none.
            schema: What the content of a form must be.
            url: The page.
            timeout_seconds: After which it is decided as `timeout`; None waits for ever.
            meta: What the agent says of it.

        Raises:
            Invalid: No content can be held to the schema.
        """
        if schema is not None:
            self._require_sound(schema)
        command = RequestElicitation(
            request_id=request_id or self._clock.new_name(),
            message=message,
            turn_id=turn_id,
            schema=schema,
            url=url,
            expires_at=self._in(timeout_seconds),
            meta=meta,
        )
        return await self._ask(caller, session_id, command)

    async def _ask(
        self, caller: Caller, session_id: UUID, command: RequestPermission | RequestElicitation
    ) -> Outcome:
        try:
            return await self._handler.handle(caller.asks(session_id, command))
        except InteractionExists:
            before = await self._asked_before.outcome(session_id, command)
            if before is None:
                raise
            return before

    async def decide(
        self,
        caller: Caller,
        session_id: UUID,
        request_id: str,
        *,
        option_id: str,
        grant: Grant = "once",
        reason: str | None = None,
        arguments: JsonObject | None = None,
    ) -> Outcome:
        """Choose an option of a permission.

        Args:
            caller: Who decides.
            session_id: In which session.
            request_id: Which request.
            option_id: Which of its options.
            grant: For how long it holds.
            reason: Why.
            arguments: With what the tool may be called; None is what was asked for.
        """
        command = DecidePermission(
            request_id=request_id,
            option_id=option_id,
            at=self._clock.now(),
            grant=grant,
            reason=reason,
            arguments=arguments,
        )
        return await self._handler.handle(caller.asks(session_id, command))

    async def pending_in(
        self, session_id: UUID, turn_id: str, kind: Literal["permission", "elicitation"]
    ) -> str:
        """Return the id of the one request of a kind that is pending in a turn.

        Args:
            session_id: In which session.
            turn_id: In which turn.
            kind: Of which kind.

        Raises:
            AmbiguousInteraction: There are several.
            InteractionNotFound: There is none.
        """
        session = (await self._repository.load(session_id)).session
        require_active(session)
        pending = session.interactions.pending.values()
        found = [one for one in pending if one.turn_id == turn_id and one.kind == kind]
        if not found:
            raise InteractionNotFound(f"no {kind} is pending in this turn", turn_id=turn_id)
        if len(found) > 1:
            ids = [one.request_id for one in sorted(found, key=lambda one: one.sequence)]
            raise AmbiguousInteraction(None, turn_id=turn_id, candidates=ids)
        return found[0].request_id

    async def answer(
        self,
        caller: Caller,
        session_id: UUID,
        request_id: str,
        *,
        action: Literal["accept", "decline", "cancel"],
        content: JsonObject | None = None,
    ) -> Outcome:
        """Answer an elicitation.

        Args:
            caller: Who answers.
            session_id: In which session.
            request_id: Which request.
            action: What the person does.
            content: What was filled in.
        """
        command = AnswerElicitation(
            request_id=request_id,
            action=action,
            content=content,
            violations=await self._violations(session_id, request_id, content),
            at=self._clock.now(),
        )
        return await self._handler.handle(caller.asks(session_id, command))

    async def _violations(
        self, session_id: UUID, request_id: str, content: JsonObject | None
    ) -> tuple[str, ...] | None:
        """Return what is wrong with content by the schema of a request; None if none waits."""
        if content is None:
            return None
        # What a request asks for never changes: the state in memory is as good as the newest.
        loaded = self._repository.cached(session_id)
        if loaded is None or request_id not in loaded.session.interactions.pending:
            loaded = await self._repository.load(session_id)
        asked = loaded.session.interactions.pending.get(request_id)
        if asked is None or asked.schema is None:
            return None
        return tuple(self._schemas.violations(asked.schema, content))

    def _require_sound(self, schema: JsonObject) -> None:
        faults = self._schemas.faults_of_schema(schema)
        if faults:
            errors = [
                {"field": fault.field, "message": fault.message, "code": "schema"}
                for fault in faults[:_MOST_FAULTS]
            ]
            first = faults[0]
            raise Invalid(f"{first.field}: {first.message}", field=first.field, errors=errors)

    def _in(self, seconds: int | None) -> datetime | None:
        return None if seconds is None else self._clock.now() + timedelta(seconds=seconds)
