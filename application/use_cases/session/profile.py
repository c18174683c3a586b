"""The persona that an agent runs with: set it."""

from uuid import UUID

from application.commands.handler import CommandHandler
from application.commands.request import Caller, Outcome
from application.reads.profile import profile_digest
from domain.session.commands import RefreshProfile
from domain.values import JsonObject


class Profiles:
    """Sets personas.

    Args:
        handler: Handles commands.
    """

    def __init__(self, handler: CommandHandler) -> None:
        self._handler = handler

    async def set(
        self,
        caller: Caller,
        session_id: UUID,
        *,
        name: str,
        body: str,
        profile: JsonObject,
        expected_digest: str | None = None,
    ) -> Outcome:
        """Set the persona, between turns, if it is the one that is expected.

        Args:
            caller: Who asks.
            session_id: Whose agent.
            name: Its name.
            body: Its text.
            profile: What is known of it beside the text.
            expected_digest: Of the persona that there is now; None takes the place of any.
        """
        command = RefreshProfile(
            digest=profile_digest(name, body, profile),
            name=name,
            body=body,
            profile=profile,
            expected_digest=expected_digest,
        )
        return await self._handler.handle(caller.asks(session_id, command))
